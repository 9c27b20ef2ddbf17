import hashlib
import hmac
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.io.pseudonym import load_key, pseudonym


def test_pseudonym_is_hmac_sha256() -> None:
    expected = hmac.new(b"k" * 32, b"patient", hashlib.sha256).hexdigest()[:10]
    assert pseudonym(b"k" * 32, "patient") == expected
    assert pseudonym(b"x" * 32, "patient") != expected


def test_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "centre.key"
    key = load_key(path)
    assert load_key(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o077 == 0


def test_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "centre.key"
    path.write_bytes(b"short")
    with pytest.raises(BadInput, match="not a pseudonym key"):
        load_key(path)
    assert path.read_bytes() == b"short"


def test_a_long_file_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(bytes(2000))
    with pytest.raises(BadInput, match="not a pseudonym key"):
        load_key(path)


def test_a_read_only_place_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "share").write_text("")  # no folder can be made in a file
    with pytest.raises(BadInput, match="cannot be written .* name another place with --key"):
        load_key(tmp_path / "share" / "centre.key")

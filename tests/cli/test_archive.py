"""What flame retrieve makes of its options: an empty choice is never a choice of everything."""

from pathlib import Path

import pytest

from flame.cli.archive import _day, _patients
from flame.core.errors import BadInput


@pytest.mark.parametrize("text", ["", "\n \n", "*", "A?", "a\\b"])
def test_a_list_that_could_name_every_patient_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(text)
    with pytest.raises(BadInput, match=r"ids\.txt"):
        _patients(file)


def test_a_list_is_read_as_editors_write_it(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbfP1\r\n\r\n P2 \r\n")
    assert _patients(file) == ("P1", "P2")
    file.write_bytes(b"M\xfcller\n")
    with pytest.raises(BadInput, match="UTF-8"):
        _patients(file)


@pytest.mark.parametrize("text", ["2026-02-31", "2026-99-99", "yesterday", "2026-1"])
def test_a_day_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no day"):
        _day(text)
    assert (_day("2026-01-31"), _day("")) == ("20260131", "")

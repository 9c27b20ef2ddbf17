"""Pseudonyms of patients: a keyed hash that only a centre with its secret key can compute."""

import hashlib
import hmac
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.files import secret_in

_LONGEST = 1024
"""Most bytes of a key; a longer file is an image or a table that was named by mistake."""


def load_key(path: Path) -> bytes:
    """Read the secret key of a centre, or create it if the file does not exist.

    A new key is random. Only the owner of its file may read it.

    Args:
        path: file of the key.

    Returns:
        The key; a new one has 32 bytes.

    Raises:
        BadInput: the path is a folder, it cannot be written, or the file is too short or too long
            for a key.
    """
    if not path.exists():
        _create(path)
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name the file of the pseudonym key")
    key = path.read_bytes()
    if not 16 <= len(key) <= _LONGEST:
        raise BadInput(
            f"{path} is not a pseudonym key (16 to {_LONGEST} bytes); restore it or name another"
        )
    return key


def _create(path: Path) -> None:
    try:
        secret_in(path)
    except OSError as error:
        raise BadInput(
            f"the pseudonym key {path} cannot be written ({error.strerror}), for example because "
            "the DICOM share is read-only; name another place with --key"
        ) from error


def pseudonym(key: bytes, identifier: str) -> str:
    """Return the pseudonym of an identifier.

    Args:
        key: the secret key of the centre, see ``load_key``.
        identifier: the text to replace, for example a PatientID.

    Returns:
        The first ten hexadecimal digits of the HMAC-SHA256 of the identifier. The same key and
        identifier always give the same pseudonym.

    Example:
        >>> pseudonym(b"0123456789abcdef", "patient 7")
        '37816993d1'
    """
    return hmac.new(key, identifier.encode(), hashlib.sha256).hexdigest()[:10]

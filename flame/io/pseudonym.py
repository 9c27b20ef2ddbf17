"""Pseudonyms: a keyed hash that only the centre holding the key can make again."""

import hashlib
import hmac
import secrets
from pathlib import Path

from flame.core.errors import BadInput


def load_key(path: Path) -> bytes:
    """Read the centre's key, or make one readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name the file of the pseudonym key")
    key = path.read_bytes()
    if len(key) < 16:
        raise BadInput(f"{path} is no pseudonym key (under 16 bytes); restore it or name another")
    return key


def pseudonym(key: bytes, identifier: str) -> str:
    """Ten hexadecimal digits of HMAC-SHA256, the same for the same key and identifier."""
    return hmac.new(key, identifier.encode(), hashlib.sha256).hexdigest()[:10]

"""An admin whose server cannot be reached."""

import json
import socket
from pathlib import Path

import pytest

from flame.core.errors import FlameError
from flame.federation.flare.admin import AdminSession
from flame.federation.flare.daemon import ADMIN


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"admin": {"username": "me@example.org", "host": "localhost", "port": port}}
    (tmp_path / "startup").mkdir()
    (tmp_path / "startup" / ADMIN).write_text(json.dumps(known))
    with pytest.raises(FlameError, match=rf"localhost:{port}.*flame serve"):
        AdminSession(tmp_path, patience_s=0).sites()

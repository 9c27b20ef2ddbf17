"""An admin whose server cannot be reached, and the commands it sends."""

import json
import socket
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flame.core.errors import FlameError
from flame.federation.flare.admin import AdminSession
from flame.federation.flare.kit import ADMIN


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"admin": {"username": "me@example.org", "host": "localhost", "port": port}}
    (tmp_path / "startup").mkdir()
    (tmp_path / "startup" / ADMIN).write_text(json.dumps(known))
    with pytest.raises(FlameError, match=rf"localhost:{port}.*flame serve"):
        AdminSession(tmp_path, patience_s=0).sites()


def test_revoking_and_its_undoing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Session:
        def get_connected_client_list(self) -> list[Any]:
            return [SimpleNamespace(name="a", last_connect_time=1.0)]

        def list_jobs(self, reverse: bool, limit: int) -> list[dict[str, str]]:
            return [{"job_id": "7", "status": "RUNNING"}, {"job_id": "6", "status": "FINISHED:X"}]

        def abort_job(self, job: str) -> None:
            asked.append(("abort", job))

        def disable_client(self, name: str) -> None:
            asked.append(("disable", name))

        def enable_client(self, name: str) -> None:
            asked.append(("enable", name))

    monkeypatch.setattr(AdminSession, "session", lambda self: nullcontext(Session()))
    assert AdminSession(tmp_path).revoke("a")
    assert not AdminSession(tmp_path).revoke("a", undo=True)
    assert asked == [("disable", "a"), ("abort", "7"), ("enable", "a")]
    assert not AdminSession(tmp_path).revoke("A")  # no such site is connected

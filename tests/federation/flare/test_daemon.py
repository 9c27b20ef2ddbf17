"""Kits of the right kind, and where a site finds its server."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.federation.flare.daemon import (
    ADMIN,
    KEEP_DAYS,
    SERVER,
    SITE,
    check_kit,
    check_ports,
    remove_old_jobs,
    server_of,
)


def kit(folder: Path, kind: str, content: object = None) -> Path:
    (folder / "startup").mkdir(parents=True)
    (folder / "startup" / kind).write_text(json.dumps(content))
    return folder


def test_a_kit_is_known_by_its_file(tmp_path: Path) -> None:
    server = kit(tmp_path / "server", SERVER)
    assert check_kit(server, SERVER) == server.resolve()
    with pytest.raises(BadInput, match="kit for flame serve, not for flame join"):
        check_kit(server, SITE)
    with pytest.raises(BadInput, match="kit for flame join, not for flame submit"):
        check_kit(kit(tmp_path / "a", SITE), ADMIN)
    with pytest.raises(BadInput, match=r"is not a start-up kit.*flame provision"):
        check_kit(tmp_path, SITE)


def test_the_server_is_named_in_the_kit(tmp_path: Path) -> None:
    content = {"servers": [{"name": "gbm", "service": {"target": "fl.example.org:8002"}}]}
    assert server_of(kit(tmp_path / "a", SITE, content)) == "fl.example.org:8002"


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as busy, socket.socket() as free:
        busy.bind(("", 0))
        busy.listen()
        free.bind(("", 0))
        taken, other = busy.getsockname()[1], free.getsockname()[1]
        free.close()
        described = {"service": {"target": f"localhost:{other}"}, "admin_port": taken}
        server = kit(tmp_path / "server", SERVER, {"servers": [described]})
        with pytest.raises(BadInput, match=f"port {taken} cannot be used .Address already in use"):
            check_ports(server)
    check_ports(server)


def test_folders_of_old_jobs_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """A job that changed lately stays, and so do the kit's own files, however old."""
    long_ago = time.time() - (KEEP_DAYS + 1) * 86_400
    old, lately = "0f0e-11ee", "1a2b-22ff"
    for job in (old, lately):
        folder = tmp_path / f"{job[:4]}0000-0000-{job[5:]}-0000-00000000{job[:4]}" / "app"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text("x")
    for kept in ("startup", "runs/abc", "local"):
        (tmp_path / kept).mkdir(parents=True)
    for path in [*tmp_path.rglob("*")]:
        if lately[:4] not in str(path.relative_to(tmp_path)) or path.is_dir():
            os.utime(path, (long_ago, long_ago))
    remove_old_jobs(tmp_path)
    names = {path.name[:4] for path in tmp_path.iterdir()}
    assert names == {"1a2b", "star", "runs", "loca"}

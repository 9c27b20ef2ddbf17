"""Kits of the right kind, and where a site finds its server."""

import json
import socket
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.federation.flare.kit import (
    ADMIN,
    SERVER,
    SITE,
    address_of,
    check_kit,
    check_ports,
    server_of,
    site_of,
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
    content = {
        "servers": [{"name": "gbm", "service": {"target": "fl.example.org:8002"}}],
        "client": {"fqsn": "UCSF"},
    }
    site = kit(tmp_path / "a", SITE, content)
    assert server_of(site) == "fl.example.org:8002"
    assert (address_of(site), site_of(site)) == (("fl.example.org", 8002), "UCSF")
    admin = kit(tmp_path / "b", ADMIN, {"admin": {"host": "fl.example.org", "port": 443}})
    assert address_of(admin) == ("fl.example.org", 443)


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

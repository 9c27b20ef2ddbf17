"""Kits of the right kind, and where a site finds its server."""

import json
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.federation.flare.daemon import ADMIN, SERVER, SITE, check_kit, server_of


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

"""Start-up kits: who may do what, and configurations that cannot be meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from flame.core.config import build
from flame.core.errors import BadInput
from flame.federation.flare.provisioning import AUTHORITY, CLASSES, Project, provision
from flame.federation.privacy.site_policy import POLICY_FILE, SitePolicy, read_policy

GIVEN = {"name": "gbm", "host": "localhost", "sites": ["a", "b"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sites": ["a", "a"]}, "each once"),
        ({"sites": ["a", "server"]}, "are taken"),
        ({"sites": ["a", "localhost"]}, "that of the host are taken"),
        ({"sites": []}, "at least one site"),
        ({"sites": ["../up"]}, "use letters, digits and - only"),
        ({"admin": "nobody"}, "give a mail address"),
        ({"admin_port": 8002}, "two different ports"),
        ({"host": "local host"}, "at which sites reach the server"),
        ({"lead": "me@example.org"}, "'lead' is now called 'admin'"),
    ],
)
def test_projects_that_cannot_be_meant(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build(Project, GIVEN | changes, "project.toml")


@pytest.mark.flare
def test_kits_allow_installed_code_alone_and_are_made_once(tmp_path: Path) -> None:
    project = build(Project, GIVEN, "project.toml")
    kits = provision(project, tmp_path / "kits")
    assert [kit.name for kit in kits] == ["server", "admin", "a", "b"]
    assert (tmp_path / "kits" / AUTHORITY).stat().st_mode & 0o077 == 0
    for name in ("server", "a", "b"):
        local = tmp_path / "kits" / name / "local"
        resources = json.loads((local / "resources.json").read_text())
        assert resources["class_allow_list"] == list(CLASSES)
        rights = json.loads((local / "authorization.json").read_text())["permissions"]
        assert rights["project_admin"]["byoc"] == "none"
        assert rights["project_admin"]["shell_commands"] == "none"
        assert rights["project_admin"]["operate"] == ("any" if name == "server" else "none")
    assert read_policy(tmp_path / "kits" / "a" / "local" / POLICY_FILE) == SitePolicy()
    more = build(Project, GIVEN | {"sites": ["a", "b", "c"]}, "project.toml")
    assert [kit.name for kit in provision(more, tmp_path / "kits")] == ["c"]

"""Start-up kits: who may do what, and configurations that cannot be meant."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from flame.core.config import build
from flame.core.errors import BadInput
from flame.federation.flare.keys import (
    CERTIFICATE,
    KEY,
    NEXT,
    accept,
    check_dates,
    read_request,
    request,
)
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
        ({"admin_port": 70000}, "ports from 1 to 65535"),
        ({"host": "local host"}, "give a name or an IPv4 address"),
        ({"hosts": ["https://fl.example.org"]}, "give a name or an IPv4 address"),
        ({"sites": ["a" * 65]}, "has 65 letters; a certificate takes 64"),
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


def certificate(kit: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((kit / "startup" / CERTIFICATE).read_bytes())


@pytest.mark.flare
def test_a_kit_that_is_made_again_has_a_new_key_of_the_same_root(tmp_path: Path) -> None:
    project, out = build(Project, GIVEN, "project.toml"), tmp_path / "kits"
    provision(project, out)
    kept = json.loads((out / AUTHORITY / "cert.json").read_text())
    assert set(kept) == {"root_cert", "root_pri_key"}  # no key of a participant
    before, root = certificate(out / "a"), (out / "a" / "startup" / "rootCA.pem").read_bytes()
    shutil.rmtree(out / "a")
    assert [kit.name for kit in provision(project, out)] == ["a"]
    after = certificate(out / "a")
    assert after.serial_number != before.serial_number
    assert after.public_key() != before.public_key()
    assert (out / "a" / "startup" / "rootCA.pem").read_bytes() == root
    names = {path.name for path in out.rglob("*")}
    assert not names & {"start.sh", "stop_fl.sh", "fl_admin.sh", "readme.txt"}
    assert "flame join" in (out / "a" / "README.txt").read_text()
    moved = build(Project, GIVEN | {"host": "other.example.org"}, "project.toml")
    with pytest.raises(BadInput, match=r"host was localhost and is other.example.org: the kits in"):
        provision(moved, out)


@pytest.mark.flare
def test_a_private_key_never_leaves_the_hospital(tmp_path: Path) -> None:
    project, out = build(Project, GIVEN, "project.toml"), tmp_path / "kits"
    own = tmp_path / "hospital"
    asked = request(own, "a")
    assert (own / "startup" / NEXT).stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in asked.read_bytes()
    assert [kit.name for kit in provision(project, out, {"a": asked})] == ["server", "admin", "a"]
    signed = out / "a"
    assert not list(signed.rglob("*.key"))
    assert b"PRIVATE" not in b"".join(p.read_bytes() for p in signed.rglob("*") if p.is_file())
    accept(own, signed)
    key = load_pem_private_key((own / "startup" / KEY).read_bytes(), None)
    made = certificate(own)
    assert made.public_key() == key.public_key()
    root = x509.load_pem_x509_certificate((own / "startup" / "rootCA.pem").read_bytes())
    made.verify_directly_issued_by(root)
    assert made.subject == certificate(signed).subject
    (own / "local" / POLICY_FILE).write_text("least_patients = 7\n")
    # Renewal: another key, the same policy.
    provision(project, out, {"a": request(own, "a")})
    accept(own, signed)
    assert certificate(own).serial_number != made.serial_number
    assert certificate(own).public_key() != made.public_key()
    assert read_policy(own / "local" / POLICY_FILE).least_patients == 7


@pytest.mark.flare
def test_requests_and_kits_that_do_not_fit(tmp_path: Path) -> None:
    project, out = build(Project, GIVEN, "project.toml"), tmp_path / "kits"
    stranger = request(tmp_path / "x", "x")
    with pytest.raises(BadInput, match="x: not in the sites of the project"):
        provision(project, out, {"x": stranger})
    first, second = request(tmp_path / "a", "a"), request(tmp_path / "b", "b")
    provision(project, out, {"a": first, "b": second})
    with pytest.raises(BadInput, match="is for another key than that in"):
        accept(tmp_path / "a", out / "b")
    accept(tmp_path / "a", out / "a")
    with pytest.raises(BadInput, match="no key that waits"):
        accept(tmp_path / "a", out / "a")
    with pytest.raises(BadInput, match="is the kit of a, not of b"):
        request(tmp_path / "a", "b")
    request(tmp_path / "a", "a")
    provision(project, tmp_path / "others", {"a": tmp_path / "a" / "a.csr"})
    with pytest.raises(BadInput, match="is of another federation than"):
        accept(tmp_path / "a", tmp_path / "others" / "a")
    damaged = tmp_path / "damaged.csr"
    damaged.write_text("no request")
    with pytest.raises(BadInput, match="is no signing request; make one with flame request"):
        read_request(damaged)


@pytest.mark.flare
def test_dates_of_a_certificate(tmp_path: Path) -> None:
    """FLARE's certificates are valid for 360 days."""
    project, out = build(Project, GIVEN | {"sites": ["a"]}, "project.toml"), tmp_path / "kits"
    provision(project, out)
    now = datetime.now(UTC)
    assert check_dates(out / "a", now) == check_dates(out / "server", now) == ""
    assert "ends in 9 days" in check_dates(out / "a", now + timedelta(days=350))
    with pytest.raises(BadInput, match="ended on .* renew it"):
        check_dates(out / "a", now + timedelta(days=361))
    with pytest.raises(BadInput, match="set the clock"):
        check_dates(out / "server", now - timedelta(days=2))


@pytest.mark.flare
def test_older_kits_keep_the_port_of_their_admin(tmp_path: Path) -> None:
    """A project without admin_port, whose kits were made when it was 8003 by default."""
    out = tmp_path / "kits"
    provision(build(Project, GIVEN | {"admin_port": 8003}, "project.toml"), out)
    wider = build(Project, GIVEN | {"sites": ["a", "b", "c"]}, "project.toml")
    shutil.rmtree(out / "server" / "startup")
    made = provision(wider, out)
    assert [kit.name for kit in made] == ["server", "c"]
    (server,) = json.loads((out / "server" / "startup" / "fed_server.json").read_text())["servers"]
    assert server["admin_port"] == 8003
    assert json.loads((out / AUTHORITY / "project.json").read_text())["admin_port"] == 8003

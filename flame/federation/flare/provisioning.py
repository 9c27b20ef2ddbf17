"""Start-up kits: certificates, addresses and access rules of each participant of a federation."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from flame.core.config import as_toml
from flame.core.errors import BadInput, FlameError
from flame.core.files import write_text
from flame.core.version import __version__
from flame.federation.flare.keys import sign
from flame.federation.privacy.site_policy import POLICY_FILE, SitePolicy

_STATE = "cert.json"
AUTHORITY = "authority"
"""Folder of the key that signs certificates."""
SERVER = "server"
"""Folder of the server's kit."""
ADMIN = "admin"
"""Folder of the admin's kit."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
"""Pattern of the names of a federation and of its sites."""
_LONGEST = 64
"""Letters that a name in a certificate can have (X.520)."""
_ROOT = ("root_cert", "root_pri_key")
"""What ``authority`` keeps: certificate and key that sign the others."""
_ADDRESSES = "project.json"
"""File in ``authority`` with the name and the addresses that the kits were made for."""
MADE_WITH = "made_with.json"
"""File in a kit with the versions that it was made with."""
_OF_FLARE = ("start.sh", "stop_fl.sh", "fl_admin.sh", "readme.txt", "system_info.ipynb")
"""Files of FLARE's kits that lead around FLAME."""
_ROOT_DAYS = 3600
"""Validity in days of the certificate that signs the others."""
_HEARTBEAT_S = 86_400
"""Time in s after which FLARE's server gives up a site and ends the job of all sites: one day."""
_LAUNCHER = "flame.federation.flare.launcher.SiteLauncher"
_ONE_PROCESS = "flame.federation.flare.one_process.OneProcess"
CLASSES = (
    _LAUNCHER,
    "flame.federation.flare.node_site.FlareNode",
    "flame.federation.flare.node_server.FlareNodes",
    _ONE_PROCESS,
    "flame.federation.flare.server.FlareServer",
    "flame.federation.flare.site.FlareSite",
    "nvflare.collab.runtime.controller.CollabController",
    "nvflare.collab.runtime.executor.CollabExecutor",
)
"""Classes that a job may use. All are installed; a job carries no code."""


_README = {
    SERVER: "Start-up kit of the server. Start it with:  flame serve THIS_FOLDER\n",
    ADMIN: "Start-up kit of the admin. Submit a run with:\n"
    "flame submit CONFIG --kit THIS_FOLDER --out RUN\n",
    "site": "Start-up kit of a hospital. Set local/policy.toml, and start it with:\n"
    "flame join THIS_FOLDER --data FOLDER\n",
}
"""What stands in the read-me file of each kit."""


@dataclass(frozen=True)
class Project:
    """The participants of a federation.

    Sites and the admin connect to ``port`` of the server, by HTTPS (HTTP/2); nothing connects to a
    site. FLARE fixes the validity of the certificates at 360 days.

    Args:
        name: name of the federation.
        host: name or address of the server as sites reach it.
        sites: names of the sites.
        admin: mail address of the admin, who submits runs.
        port: TCP port of the server.
        admin_port: another TCP port for the admin, which a firewall can then treat apart; 0: the
            same port.
        hosts: further names and addresses of the server, which its certificate then holds, too.

    Raises:
        BadInput: a name, address or port is not usable.

    Example:
        >>> Project("gbm", "fl.example.org", ("UCSF", "UPENN"), port=443).port_of_admin
        443
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"lead": "admin"}

    name: str
    host: str
    sites: tuple[str, ...]
    admin: str = "admin@example.org"
    port: int = 8002
    admin_port: int = 0
    hosts: tuple[str, ...] = ()

    @property
    def port_of_admin(self) -> int:
        """The port of the server for the admin."""
        return self.admin_port or self.port

    def __post_init__(self) -> None:
        for name in (self.name, *self.sites):
            if not _NAME.fullmatch(name):
                raise BadInput(f"name '{name}': use letters, digits and - only")
        for name in (self.name, self.host, self.admin, *self.sites):
            if len(name) > _LONGEST:
                raise BadInput(f"'{name}' has {len(name)} letters; a certificate takes {_LONGEST}")
        taken = {AUTHORITY, SERVER, ADMIN, "pooled", self.host} & set(self.sites)
        if taken or len(set(self.sites)) < len(self.sites) or not self.sites:
            raise BadInput(
                "sites: list at least one site, each once; the names authority, server, admin and "
                "pooled and that of the host are taken"
            )
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.admin):
            raise BadInput("admin: give a mail address such as admin@example.org")
        for host in (self.host, *self.hosts):
            if not re.fullmatch(r"[A-Za-z0-9.-]+", host):
                raise BadInput(f"host '{host}': give a name or an IPv4 address, without a port")
        if self.port < 1 or max(self.port, self.admin_port) > 65_535 or self.admin_port < 0:
            raise BadInput("port and admin_port: give ports from 1 to 65535")


def provision(
    project: Project, out: Path, requests: Mapping[str, Path] | None = None
) -> list[Path]:
    """Write a start-up kit for each participant that has none yet, with a new key.

    A kit without its folder ``startup`` is renewed: runs, logs and what is known of sites stay.

    ``out``/authority holds the key that signs certificates, and no other. Further kits need it, and
    anyone who has it can make a kit.

    Args:
        project: the participants.
        out: folder of the kits.
        requests: signing request by site. With any, only the kits of these sites are made, without
            a key and in place of older ones, and those of server and admin if they are missing.

    Returns:
        Folders of the new kits.

    Raises:
        BadInput: a site of a request is not in the project, or addresses have changed since kits
            were made.
        FlameError: NVIDIA FLARE's provisioning failed.
    """
    asked = dict(requests or {})
    if unknown := sorted(set(asked) - set(project.sites)):
        raise BadInput(f"{', '.join(unknown)}: not in the sites of the project; add it, or refuse")
    project = _with_port_of_before(project, out)
    _check_addresses(project, out)
    sites = list(asked) or project.sites
    kits = []
    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as scratch:
        work = Path(scratch) / "work"
        state = work / project.name / "state"
        if (out / AUTHORITY).is_dir():
            state.mkdir(parents=True)
            # Only the root: a kit that is made again gets a new key and certificate.
            (state / _STATE).write_text(json.dumps(_root(out / AUTHORITY)))
        _run_provisioning(project, Path(scratch), work)
        (packages,) = sorted((work / project.name).glob("prod_*"))
        for name, package in (
            (SERVER, project.host),
            (ADMIN, project.admin),
            *((site, site) for site in sites),
        ):
            kit = out / name
            if name in asked:
                sign(packages / package, asked[name], _root(state)["root_pri_key"].encode())
                shutil.rmtree(kit, ignore_errors=True)
            if not (kit / "startup").exists():
                _finish(packages / package, name)
                _place(packages / package, kit)
                kits.append(kit)
        (out / AUTHORITY).mkdir(mode=0o700, exist_ok=True)
        write_text(out / AUTHORITY / _STATE, json.dumps(_root(state)), private=True)
    write_text(out / AUTHORITY / _ADDRESSES, json.dumps(_addresses(project)))
    return kits


def _place(package: Path, kit: Path) -> None:
    """Copy a kit; of one that is renewed, everything but ``startup`` stays."""
    if kit.exists():
        shutil.copytree(package / "startup", kit / "startup")
    else:
        shutil.copytree(package, kit)


def _root(state: Path) -> dict[str, str]:
    """Return the certificate and key of the authority alone."""
    kept = json.loads((state / _STATE).read_text())
    return {name: kept[name] for name in _ROOT}


def _addresses(project: Project) -> dict[str, Any]:
    names = ("name", "host", "port")
    found = {name: getattr(project, name) for name in names}
    return {**found, "admin_port": project.port_of_admin, "hosts": sorted(project.hosts)}


def _with_port_of_before(project: Project, out: Path) -> Project:
    """Keep a port apart for the admin, as older kits have by default, unless one is given."""
    path = out / AUTHORITY / _ADDRESSES
    if project.admin_port or not path.exists():
        return project
    before = json.loads(path.read_text())
    apart = before["admin_port"] != before["port"]
    return replace(project, admin_port=before["admin_port"]) if apart else project


def _check_addresses(project: Project, out: Path) -> None:
    """Raise BadInput if existing kits have other addresses than the project."""
    path = out / AUTHORITY / _ADDRESSES
    if not path.exists():
        return
    before, now = {"hosts": [], **json.loads(path.read_text())}, _addresses(project)
    changed = [
        f"{name} was {before[name]} and is {now[name]}" for name in now if before[name] != now[name]
    ]
    kits = sorted(p.parent.name for p in out.glob("*/startup"))
    if changed and kits:
        raise BadInput(
            f"{'; '.join(changed)}: the kits in {out} ({', '.join(kits)}) have the old one; delete "
            "the folder startup in each and provision again, which gives them new certificates"
        )


def versions() -> dict[str, str]:
    """Return the versions of FLAME and of NVIDIA FLARE that are installed here."""
    return {"FLAME": __version__, "NVIDIA FLARE": version("nvflare")}


def _run_provisioning(project: Project, scratch: Path, work: Path) -> None:
    path = scratch / "project.yml"
    path.write_text(json.dumps(_described(project)))  # JSON is YAML, too
    command = [sys.executable, "-m", "nvflare.cli", "provision", "-p", str(path), "-w", str(work)]
    done = subprocess.run([*command, "--force"], capture_output=True, text=True, cwd=scratch)
    if done.returncode or not list((work / project.name).glob("prod_*")):
        raise FlameError(f"NVIDIA FLARE made no kits: {(done.stdout + done.stderr)[-500:]}")


def _described(project: Project) -> dict[str, Any]:
    server = {
        "name": project.host,
        "type": "server",
        "org": "hub",
        "fed_learn_port": project.port,
        "admin_port": project.port_of_admin,
        "default_host": project.host,
        "host_names": list(dict.fromkeys((project.host, *project.hosts))),
    }
    sites = [{"name": s, "type": "client", "org": s.replace("-", "_")} for s in project.sites]
    admin = {"name": project.admin, "type": "admin", "org": "hub", "role": "project_admin"}
    package = "nvflare.lighter.impl"
    files = {"config_folder": "config", "scheme": "grpc"}
    builders = [
        (f"{package}.workspace.WorkspaceBuilder", {"template_file": "master_template.yml"}),
        (f"{package}.static_file.StaticFileBuilder", files),
        (f"{package}.cert.CertBuilder", {"root_valid_days": _ROOT_DAYS}),
        (f"{package}.signature.SignatureBuilder", {}),
    ]
    return {
        "api_version": 3,
        "name": project.name,
        "description": "FLAME",
        "participants": [server, *sites, admin],
        "builders": [{"path": path, "args": args} for path, args in builders],
    }


def _finish(kit: Path, name: str) -> None:
    """Restrict a kit: only installed code, no shell, and no logs that leave a site."""
    for folder, file in product((kit, kit / "startup"), _OF_FLARE):
        (folder / file).unlink(missing_ok=True)
    (kit / "README.txt").write_text(_README[name if name in _README else "site"])
    (kit / MADE_WITH).write_text(json.dumps(versions()))
    if name == ADMIN:
        return
    local = kit / "local"
    resources = json.loads((local / "resources.json.default").read_text())
    resources["class_allow_list"] = list(CLASSES)
    is_site = name != SERVER
    resources["components"].append({"id": "one_process", "path": _ONE_PROCESS, "args": {}})
    if not is_site:
        resources["servers"][0]["heart_beat_timeout"] = _HEARTBEAT_S
    else:
        resources["allow_log_streaming"] = False
        resources["components"] = [
            c for c in resources["components"] if c["id"] != "site_log_streamer"
        ]
        for component in resources["components"]:
            if component["id"] == "process_launcher":
                component["path"] = _LAUNCHER
        (local / POLICY_FILE).write_text(
            "# Policy of this hospital: what may leave it. Nobody else can change this file.\n"
            "# learners: tasks and response models that may learn here; empty: all.\n"
            "# queries: names of the queries whose sums may be sent; empty: all.\n"
            + as_toml(SitePolicy())
        )
    (local / "resources.json").write_text(json.dumps(resources, indent=1))
    rights = {
        "submit_job": "any",
        "clone_job": "none",
        "manage_job": "any",
        "download_job": "any",
        "view": "any",
        "operate": "none" if is_site else "any",
        "shell_commands": "none",
        "byoc": "none",
    }
    if not is_site:
        rights["app_command"] = "any"  # the admin's queries for progress
    rules = {"format_version": "1.0", "permissions": {"project_admin": rights}}
    (local / "authorization.json").write_text(json.dumps(rules, indent=1))
    for default in local.glob("*.sample"):
        default.unlink()

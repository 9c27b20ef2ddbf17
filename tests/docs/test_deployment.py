"""The recipes for services, containers and clusters, as far as this machine has their tools."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "deployment"
UNITS = sorted(FOLDER.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(path.read_text())
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.stem)
def test_a_service_is_not_root_and_writes_the_folder_of_its_kit_alone(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "flame"
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "true")
    kit = service["ExecStart"].split()[2]
    assert service["ReadWritePaths"] == str(Path(kit).parent)
    assert service["Restart"] == "always"
    if "--data" in service["ExecStart"]:
        assert service["ReadOnlyPaths"] == service["ExecStart"].split("--data ")[1]


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.stem)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_reads_a_service(path: Path, tmp_path: Path) -> None:
    """Without the program that it starts, which is not where a hospital has it."""
    copy = tmp_path / path.name
    copy.write_text(re.sub(r"/opt/flame/\.venv/bin/flame", "/bin/true", path.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True
    )
    told = [line for line in done.stderr.splitlines() if path.name in line]
    assert told == []


def test_bash_reads_the_job_of_a_cluster() -> None:
    path = FOLDER / "flame-join.sbatch"
    assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
    options = re.findall(r"^#SBATCH --([a-z-]+)", path.read_text(), re.MULTILINE)
    assert {"time", "array", "signal"} <= set(options)


def test_the_commands_of_the_recipes_exist() -> None:
    """Whatever a recipe starts is a command of FLAME with these options."""
    from typer.main import get_command

    from flame.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for path in FOLDER.iterdir():
        for name, rest in re.findall(r"(?:bin/)?flame (check|join|serve)\b(.*)", path.read_text()):
            known = {o for p in commands[name].params for o in p.opts}
            assert set(re.findall(r"--[a-z]+", rest)) <= known, path


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("buildah") and shutil.which("debootstrap")) or os.geteuid() != 0,
    reason="needs buildah, debootstrap and root",
)
def test_a_container_is_built_and_checks_a_kit(tmp_path: Path) -> None:
    """From Debian alone and the wheels of this checkout; about 20 minutes."""

    def run(*command: object, **more: Any) -> str:
        environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, env=environment, **more
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout.strip()

    root, base = FOLDER.parents[1], tmp_path / "base"
    wheels = tmp_path / "context" / "wheelhouse"
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "-w", wheels)
    run(*pip, "-c", root / "constraints.txt", root)
    python = "python3,python3-venv"
    run("debootstrap", "--variant=minbase", f"--include={python}", "bookworm", base)
    run("tar", "-C", base, "-cf", tmp_path / "base.tar", ".")
    empty = run("buildah", "from", "scratch")
    run("buildah", "add", "-q", empty, tmp_path / "base.tar", "/")
    run("buildah", "commit", "-q", empty, "flame-test-base")
    recipe = ("-f", FOLDER / "Containerfile", tmp_path / "context")
    argument = "BASE=localhost/flame-test-base"
    run("buildah", "build", "-q", "--build-arg", argument, "-t", "flame-test", *recipe)
    (tmp_path / "project.toml").write_text('name = "x"\nhost = "localhost"\nsites = ["a"]\n')
    flame = (sys.executable, "-m", "flame.cli")
    run(*flame, "provision", tmp_path / "project.toml", "--out", tmp_path / "kits")
    run("chown", "-R", "1000", tmp_path / "kits" / "a")
    site = run("buildah", "from", "localhost/flame-test")
    inside = (
        "buildah",
        "run",
        "--user",
        "flame",
        "-v",
        f"{tmp_path / 'kits' / 'a'}:/kit",
        site,
        "--",
    )
    assert run(*inside, "id", "-un") == "flame"
    found = run(*inside, "sh", "-c", "flame check /kit || true")
    assert "for a, with its key" in found
    assert "refuses connections" in " ".join(found.split())

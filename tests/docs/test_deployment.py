"""The recipes for services, containers and clusters, as far as this machine has their tools."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "deployment"
UNITS = sorted(FOLDER.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(path.read_text())
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.stem)
def test_a_service_is_not_root_and_writes_its_kit_alone(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "flame"
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "true")
    kit = service["ExecStart"].split()[2]
    assert service["ReadWritePaths"] == kit
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

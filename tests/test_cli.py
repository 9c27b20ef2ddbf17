"""The command as its users meet it: help, exit codes, messages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flame.cli import app

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]


def flame(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flame.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(command: str) -> None:
    shown = flame(command, "--help")
    assert shown.returncode == 0
    assert "--help" in shown.stdout
    assert f"`flame {command}" in (ROOT / "README.md").read_text()


def test_empty_folder_is_bad_input(tmp_path: Path) -> None:
    done = flame("inspect", tmp_path)
    assert done.returncode == 2
    assert "is empty" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_key_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[data]\ntabel = 'x.csv'\n")
    done = flame("train", path, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "unknown key 'data.tabel': did you mean 'table'" in re.sub(r"\s+", " ", done.stderr)
    assert not (tmp_path / "run").exists()


def test_wrong_use_is_2(tmp_path: Path) -> None:
    assert flame("train").returncode == 2
    assert flame("nonsense").returncode == 2
    assert flame("evaluate", tmp_path).returncode == 2


def test_starting_is_quick_because_heavy_imports_wait() -> None:
    code = (
        "import sys, flame.cli\n"
        "print([m for m in ('tensorflow', 'torch', 'nvflare') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

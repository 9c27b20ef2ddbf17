"""The command as its users meet it: help, exit codes, messages."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from flame.cli import _output, app
from tests.helpers.command import flame

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]


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


def test_version_is_that_of_the_package() -> None:
    assert flame("--version").stdout.strip() == f"flame {version('flame-medical')}"


def test_quiet_prints_errors_alone(tmp_path: Path) -> None:
    done = flame("--quiet", "simulate", tmp_path / "s", "--planning", "none")
    assert done.stdout == ""
    assert "planning" in done.stderr


def test_verbose_adds_the_traceback(tmp_path: Path) -> None:
    done = flame("--verbose", "inspect", tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_an_unexpected_error_names_its_log(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "from flame.pipelines import inspect\n"
        "def run(*_):\n    raise KeyError('Jane Doe')\n"
        "inspect.run = run\n"
    )
    code = (
        "import sys; sys.argv = ['flame', 'inspect', sys.argv[2]]\n"
        "from flame.core.plugins import load_plugins; from pathlib import Path\n"
        f"load_plugins([Path({str(plugin)!r})])\n"
        "from flame.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "unexpected KeyError" in done.stderr
    assert "Jane Doe" not in done.stderr
    log = tmp_path / "flame.errors.log"
    assert "Jane Doe" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_the_log_of_an_error_lies_beside_the_output() -> None:
    assert _output(["flame", "train", "c.toml", "--out", "runs/a"]) == Path("runs/a")
    assert _output(["flame", "train", "c.toml", "--out=runs/a"]) == Path("runs/a")
    assert _output(["flame", "inspect", "dicom"]) == Path.cwd() / "flame"


def test_a_terminal_of_ascii_shows_the_help(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flame", "inspect", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "List the content" in done.stdout

"""Plug-in files run once, under names of their own, and their changes are seen."""

import hashlib
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from flame.core import plugins
from flame.core.errors import BadInput
from flame.core.plugins import discover, load_plugins, plugin_hashes


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see the plug-ins of another."""
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setenv("FLAME_PLUGINS", "[]")


def test_files_of_one_name_are_two_plugins(tmp_path: Path) -> None:
    log = tmp_path / "log"
    paths = [tmp_path / "a:b" / "mine.py", tmp_path / "c" / "mine.py"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"with open({str(log)!r}, 'a') as log:\n    print(__name__, file=log)\n")
    load_plugins([*paths, *paths])
    discover()  # as a process does that this one started: nothing runs twice
    one, other = log.read_text().split()
    assert one != other


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    load_plugins([path])
    assert plugin_hashes() == {"mine.py": hashlib.sha256(b"x = 1\n").hexdigest()}


def test_a_child_process_knows_the_hashes_without_a_look_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    load_plugins([path])
    here = plugin_hashes()
    monkeypatch.setattr(plugins, "_loaded", {})  # a new process has the environment alone
    assert str(path) in os.environ["FLAME_PLUGINS"]
    assert plugin_hashes() == here


@pytest.mark.parametrize("text", ["import sys\nsys.exit()\n", "1 / 0\n"])
def test_a_plugin_that_ends_the_process_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ends.py"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"ends\.py: (SystemExit|ZeroDivisionError)"):
        load_plugins([path])


def test_a_broken_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "no_such_module", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    plugins._load_installed.cache_clear()
    with pytest.raises(BadInput, match="plug-in 'theirs' of an installed package"):
        discover()
    monkeypatch.undo()

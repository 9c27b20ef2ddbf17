"""Plug-ins of users: Python files named on the command line, and installed packages.

A plug-in is a Python file that registers something, for example a strategy. Processes that FLAME
starts load the same files. They find them in an environment variable, which is no interface for
users.
"""

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from flame.core.errors import BadInput

GROUP = "flame.plugins"
"""Entry-point group in which an installed package names the modules that register its plug-ins."""
_FILES = "FLAME_PLUGINS"
"""Environment variable with a JSON list of plug-in files, for the processes that FLAME starts."""
_loaded: dict[str, str] = {}
"""Hash of the text of each plug-in file that was run, by its path."""


def load_plugins(paths: Iterable[Path]) -> None:
    """Run each file, here and in every process that this one starts.

    Args:
        paths: Python files.

    Raises:
        BadInput: a file is absent, or running it fails.
    """
    for path in paths:
        resolved = path.resolve()
        if not resolved.is_file():
            raise BadInput(f"--plugin {path}: no such file")
        _run_file(resolved)
        os.environ[_FILES] = json.dumps(list(dict.fromkeys([*_inherited(), str(resolved)])))


def discover() -> None:
    """Load the plug-ins of installed packages, and the files of the parent process."""
    _load_inherited()
    _load_installed()


def plugin_hashes() -> dict[str, str]:
    """Run the files of the parent process, and return the hash of each file by its name."""
    _load_inherited()
    return {Path(path).name: value for path, value in sorted(_loaded.items())}


def _load_inherited() -> None:
    for text in _inherited():
        _run_file(Path(text))


def _inherited() -> list[str]:
    return list(json.loads(os.environ.get(_FILES, "[]")))


@cache
def _load_installed() -> None:
    """Load the plug-ins of installed packages; cached, as scanning all packages is slow."""
    for point in entry_points(group=GROUP):
        with _named(f"plug-in '{point.name}' of an installed package ({point.value})"):
            point.load()


def _run_file(path: Path) -> None:
    if str(path) in _loaded:
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"flame_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"--plugin {path}: a plug-in is a Python file, .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes defined there can be pickled
    with _named(f"--plugin {path}"):
        _loaded[str(path)] = digest
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del _loaded[str(path)]
            raise


@contextmanager
def _named(plugin: str) -> Iterator[None]:
    """Turn any failure of a plug-in into an error that names it; ``sys.exit`` is one, too."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise BadInput(f"{plugin}: {type(error).__name__}: {error}") from error

"""Plug-ins of users: Python files named on the command line, and installed packages.

A plug-in is a Python file that registers something, for example a strategy. Processes that FLAME
starts load the same files. They find them in an environment variable, which is no interface for
users.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from flame.core.errors import BadInput

GROUP = "flame.plugins"
"""Entry-point group in which an installed package names the modules that register its plug-ins."""
_FILES = "FLAME_PLUGINS"
"""Environment variable with the paths of plug-in files, for the processes that FLAME starts."""
_loaded: set[str] = set()


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
        known = os.environ.get(_FILES, "").split(os.pathsep)
        files = dict.fromkeys([*filter(None, known), str(resolved)])
        os.environ[_FILES] = os.pathsep.join(files)


def discover() -> None:
    """Load the plug-ins of installed packages, and the files of the parent process."""
    for text in filter(None, os.environ.get(_FILES, "").split(os.pathsep)):
        _run_file(Path(text))
    _load_installed()


@cache
def _load_installed() -> None:
    """Load the plug-ins of installed packages; cached, as scanning all packages is slow."""
    for point in entry_points(group=GROUP):
        point.load()


def _run_file(path: Path) -> None:
    if str(path) in _loaded:
        return
    _loaded.add(str(path))
    name = f"flame_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"--plugin {path}: a plug-in is a Python file, .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes defined there can be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        _loaded.discard(str(path))
        raise BadInput(f"--plugin {path}: {type(error).__name__}: {error}") from error

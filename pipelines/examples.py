"""``flame examples``: the example configurations and the documentation of this version."""

import shutil
import sys
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.registry import nearest

_FOLDERS = ("examples", "docs")
"""Folders that are copied."""


def source() -> Path:
    """Return the folder with examples and documentation: of the checkout, or of the installation.

    Returns:
        Folder that holds ``examples`` and ``docs``.

    Raises:
        BadInput: neither holds them.
    """
    checkout = Path(__file__).resolve().parents[1]
    installed = Path(sys.prefix) / "share" / "flame"
    for folder in (checkout, installed):
        if (folder / "examples" / "gbm_table.toml").exists():
            return folder
    raise BadInput(f"no examples in {checkout} or {installed}; install FLAME again from its wheel")


def example_of(name: str) -> Path:
    """Return the configuration of an example.

    Args:
        name: name of the example, such as gbm_table.

    Returns:
        Path of the configuration.

    Raises:
        BadInput: there is no such example.
    """
    known = {p.stem: p for p in sorted((source() / "examples").glob("*.toml"))}
    if name not in known:
        raise BadInput(f"no example '{name}': {nearest(name, list(known))}")
    return known[name]


def run(out: Path) -> list[Path]:
    """Copy the example configurations, and the documentation as Markdown, into a new folder.

    Args:
        out: the new folder.

    Returns:
        Paths of the configurations.

    Raises:
        BadInput: the folder exists and is not empty, or the examples are not installed.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is not empty; give a new folder")
    ignored = shutil.ignore_patterns("*.py", "notes", "__pycache__")
    for name in _FOLDERS:
        shutil.copytree(source() / name, out / name, ignore=ignored)
    return sorted((out / "examples").glob("*.toml"))

"""Markdown of the generated reference: tables, and texts written by hand."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reference_docstrings import in_a_cell
from typer.core import TyperArgument

NOTES = Path(__file__).resolve().parent / "reference" / "notes"


def table(columns: str, lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table.

    Args:
        columns: names of the columns, separated by commas.
        lines: the cells of each row.
    """
    names = columns.split(",")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def parameters(command: Any) -> str:
    """Return the table of a command's arguments and options.

    Args:
        command: a command of typer.
    """
    lines = []
    for parameter in command.params:
        is_argument = isinstance(parameter, TyperArgument)
        names = [parameter.metavar] if is_argument else parameter.opts
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append((shown, _default(parameter), in_a_cell(parameter.help or "")))
    return table("argument or option,default,meaning", lines)


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if isinstance(option.default, bool):
        return "on" if option.default else "off"
    return "none" if option.default in (None, "") else f"`{option.default}`"


class Notes:
    """Texts written by hand for the places of a page.

    Args:
        page: name of the file in docs/reference/notes. It has a heading of level 2 for each place;
            what stands before the first heading has the place "".
    """

    def __init__(self, page: str) -> None:
        parts = re.split(r"(?m)^## (.+)\n", (NOTES / f"{page}.md").read_text(encoding="utf-8"))
        self._texts = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}

    def take(self, place: str) -> str:
        """Return the text of a place, empty where there is none; each can be taken once."""
        text = self._texts.pop(place, "").strip()
        return f"{text}\n\n" if text else ""

    def check(self) -> None:
        """Raise KeyError where a text was not taken."""
        if self._texts:
            raise KeyError(f"docs/reference/notes: no such place: {', '.join(self._texts)}")

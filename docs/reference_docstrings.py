"""What the docstrings of a configuration class say of its keys."""

import ast
import inspect
import re
import textwrap


def description(kind: type, name: str) -> str:
    """Return the description of a key.

    It is the docstring below the field, else the entry in ``Args`` of the class, else the sentences
    of the class docstring that name the field; empty where none of them exists.
    """
    owners = [c for c in kind.__mro__ if c.__module__.startswith("flame")]
    for find in (_below_field, _in_args, _in_sentences):
        for owner in owners:
            if found := find(owner, name):
                return in_a_cell(found[0].upper() + found[1:])
    return ""


def in_a_cell(text: str) -> str:
    """Return a docstring as one line of Markdown that fits into a cell of a table."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip().replace("|", "\\|")


def _below_field(owner: type, name: str) -> str:
    source = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = source.body[0].body  # type: ignore[attr-defined]
    for field, below in zip(body, body[1:], strict=False):
        if getattr(getattr(field, "target", None), "id", "") == name and isinstance(
            below, ast.Expr
        ):
            return str(ast.literal_eval(below.value))
    return ""


def _in_args(owner: type, name: str) -> str:
    section = re.search(r"(?ms)^Args:\n(.*?)(?:^\S|\Z)", inspect.getdoc(owner) or "")
    entries = re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1]) if section else []
    return next((text for key, text in entries if key == name), "")


def _in_sentences(owner: type, name: str) -> str:
    text = re.split(r"(?m)^(?:Args|Example|Reference):", inspect.getdoc(owner) or "")[0]
    sentences = re.split(r"(?<=[.;])\s+", re.sub(r"\s+", " ", text))
    return " ".join(s.rstrip(";") for s in sentences if f"``{name}``" in s)

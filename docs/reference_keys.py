"""Configuration keys in words: type, bounds, default and description of each."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from reference_docstrings import description

from flame.core.config_keys import Key, keys_of

PLAIN: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`true` or `false`",
    Any: "any value",
}
BOUNDS = {
    "ge": "{} or more",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} entries",
    "max_length": "at most {} entries",
    "pattern": "matching `{}`",
}
NO_BOUND = {"multiple_of": None, "min_length": 0, "max_length": None, "pattern": None}


def type_in_words(kind: Any) -> str:
    """Return a type with its bounds in words, for example ``whole number, 1 or more``."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return ", ".join([type_in_words(args[0]), *_bounds_in_words(args[1:])])
    if origin is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in args)
    if origin in (Union, UnionType):
        return " or ".join(type_in_words(a) for a in args if a is not NoneType)
    if origin is tuple:
        return f"list of: {type_in_words(args[0])}"
    if origin is dict:
        return f"table, each value: {type_in_words(args[1])}"
    return PLAIN.get(kind, "table of keys")


def _bounds_in_words(metadata: tuple[Any, ...]) -> Iterator[str]:
    for bound in metadata:
        for name, words in BOUNDS.items():
            value = getattr(bound, name, None)
            if value is not None and value != NO_BOUND.get(name):
                yield words.format(value)


def default_in_words(key: Key) -> str:
    """Return the default as TOML writes it; ``required`` or ``none`` where there is no value."""
    if key.required:
        return "required"
    if key.default is None:
        return "none"
    if key.default in ("", (), {}):
        return "empty"
    return f"`{_as_toml(key.default)}`"


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def rows(kind: type, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield full name, type, default and description of every key, sections left out."""
    for name, key in keys_of(kind).items():
        if is_dataclass(key.hint):
            yield from rows(key.hint, f"{prefix}{name}.")  # type: ignore[arg-type]
            continue
        values: tuple[Any, ...] = get_args(key.hint)[1:] if get_origin(key.hint) is dict else ()
        if values and is_dataclass(values[0]):
            yield from rows(values[0], f"{prefix}{name}.NAME.")  # type: ignore[arg-type]
            continue
        words = type_in_words(key.kind)
        yield f"`{prefix}{name}`", words, default_in_words(key), description(kind, name)

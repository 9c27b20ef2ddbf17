"""TOML configuration, read into frozen dataclasses; unknown keys and wrong values are errors."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

import tomli_w

from flame.core.config_keys import keys_of
from flame.core.errors import BadInput
from flame.core.registry import nearest

C = TypeVar("C")
Rule = tuple[object, str]
"""Whether a condition holds, and the error message with its remedy if it does not."""


class Section:
    """Base of a configuration's dataclasses: every new instance checks its values.

    A key is a field with a type, bounds (``Annotated[int, Ge(1)]``) and a docstring below it.
    ``RENAMED`` maps the names that keys had in the version before to those that they have now.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        problems = list(_field_problems(self))
        problems = problems or list(_broken(self.rules()))
        if problems:
            raise BadInput("\n".join(problems))

    def to_json(self) -> str:
        """Return the configuration as JSON, the form in which other processes receive it."""
        return as_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build a configuration from the JSON of ``to_json``.

        Args:
            text: the JSON.

        Returns:
            The configuration.

        Raises:
            BadInput: a key is unknown or a value is wrong.
        """
        return build(cls, json.loads(text), "run configuration")

    def rules(self) -> Iterator[Rule]:
        """Yield the conditions between keys; they are checked once every key is valid by itself."""
        yield from ()


def _broken(rules: Iterator[Rule]) -> Iterator[str]:
    """Yield the messages of broken rules; one that looks up an unknown name is the last."""
    try:
        yield from (message for holds, message in rules if not holds)
    except BadInput as error:
        yield str(error)


def _field_problems(section: Section) -> Iterator[str]:
    for name, key in keys_of(type(section)).items():
        problem = key.problem(getattr(section, name))
        if problem:
            yield f"{name} {problem}"


def load_config(kind: type[C], path: Path | None, overrides: list[str]) -> C:
    """Read a TOML file into the dataclass ``kind``.

    Args:
        kind: the dataclass of the whole configuration.
        path: the file; None: defaults and ``overrides`` alone.
        overrides: ``key.sub=value`` in the order in which they apply.

    Returns:
        The configuration, with defaults for absent keys.

    Raises:
        BadInput: the file is missing or no valid TOML, or has unknown keys or wrong values, which
            the message lists.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig")) if path else {}
    except FileNotFoundError:
        raise BadInput(f"no configuration file at {path}") from None
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; give the configuration file") from None
    except RecursionError:
        raise BadInput(f"{path} nests too deeply for a configuration") from None
    except ValueError as error:  # no TOML, no UTF-8, or a number with thousands of digits
        raise BadInput(f"{path} is not valid TOML: {error}") from None
    for override in overrides:
        _apply(values, override)
    return build(kind, values, str(path or "--set"))


def with_overrides(config: C, overrides: Iterable[str]) -> C:
    """Return a configuration with some values changed.

    Args:
        config: the configuration.
        overrides: ``key.sub=value`` in the order in which they apply.

    Returns:
        A new configuration, which is checked as a whole.

    Raises:
        BadInput: a key is unknown or a value is wrong.
    """
    values = json.loads(as_json(config))
    for override in overrides:
        _apply(values, override)
    return build(type(config), values, "--set")


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise BadInput(f"--set {override}: write key=value, such as training.rounds=10")
    table = values
    *parents, last = _parts(key.strip(), override)
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise BadInput(f"--set {override}: '{parent}' is a value, not a table")
    try:
        table[last] = tomllib.loads(f"v = {text}")["v"]
    except ValueError:
        table[last] = text


def _parts(key: str, override: str) -> list[str]:
    """Split a key of TOML at its dots; parts in quotes may hold dots and spaces."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except ValueError:
        raise BadInput(f"--set {override}: '{key}' is not a key; quote parts as in TOML") from None
    parts = []
    while isinstance(table, dict):
        [(part, table)] = table.items()
        parts.append(part)
    return parts


def build(kind: type[C], values: Mapping[str, Any], where: str, prefix: str = "") -> C:
    """Build the dataclass ``kind`` from plain values.

    TOML allows ``nan`` and ``inf``. They are refused, as they would pass any bound or none.

    Args:
        kind: the dataclass.
        values: values by key; a mapping for a nested dataclass.
        where: source of the values, which error messages name.
        prefix: text before each key in error messages, such as ``"training."``.

    Returns:
        The dataclass, with defaults for absent keys.

    Raises:
        BadInput: the message lists every unknown key and wrong value, one a line.
    """
    problems: list[str] = []
    built = _built(kind, values, prefix, problems)
    if built is None or problems:
        lines = "".join(f"\n  {p}" for p in problems[1:])
        raise BadInput(f"{where}: {problems[0]}{lines}")
    return built


def _built(kind: type[C], values: Mapping[str, Any], prefix: str, problems: list[str]) -> C | None:
    """Return the dataclass; None where a value is wrong, which is then added to ``problems``."""
    keys = keys_of(kind)
    before = len(problems)
    renamed = getattr(kind, "RENAMED", {})
    for name in values:
        if name not in keys and renamed.get(name) in keys:
            problems.append(f"'{prefix}{name}' is now called '{prefix}{renamed[name]}'")
        elif name not in keys:
            problems.append(f"unknown key '{prefix}{name}': {nearest(name, list(keys))}")
    arguments = {}
    for name, key in keys.items():
        if name in values:
            sound = len(problems)
            value = _value(key.hint, values[name], f"{prefix}{name}", problems)
            problem = key.problem(value) if len(problems) == sound else ""
            if problem:
                problems.append(f"'{prefix}{name}' {problem}")
            arguments[name] = value
        elif key.required:
            problems.append(f"key '{prefix}{name}' is required")
    if len(problems) > before:
        return None
    try:
        return kind(**arguments)
    except BadInput as error:
        problems += str(error).splitlines()
        return None


def _value(hint: Any, value: Any, name: str, problems: list[str]) -> Any:
    """Return ``value`` with lists as tuples and tables as the dataclasses of ``hint``."""
    origin = get_origin(hint)
    args = get_args(hint)
    if origin in (Union, UnionType):
        return _value(next(a for a in args if a is not NoneType), value, name, problems)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _built(hint, value, f"{name}.", problems)  # type: ignore[arg-type]
    if origin is dict and isinstance(value, Mapping):
        return {k: _value(args[1], v, f"{name}.{k}", problems) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(value)
    return value


def as_toml(config: Any) -> str:
    """Return a configuration as TOML, without keys that are None, as TOML has no null."""
    return tomli_w.dumps(_without_none(asdict(config)))


def as_json(config: Any) -> str:
    """Return a configuration as JSON, the form in which other processes receive it."""
    return json.dumps(asdict(config))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value

"""TOML configuration read into frozen dataclasses; flags override; nothing unknown passes."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

import tomli_w

from flame.core.config_keys import keys_of
from flame.core.errors import BadInput
from flame.core.registry import nearest

C = TypeVar("C")
Rule = tuple[object, str]
"""Whether something holds, and what to do where it does not."""


class Section:
    """Base of a configuration's dataclasses: values are checked however one is made.

    A key is a field with a type, bounds (``Annotated[int, Ge(1)]``) and a docstring below it.
    ``RENAMED`` maps the names that keys had in the version before to those that they have now.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        problems = list(_field_problems(self))
        problems = problems or [message for holds, message in self.rules() if not holds]
        if problems:
            raise BadInput("\n".join(problems))

    def rules(self) -> Iterator[Rule]:
        """What has to hold between keys; checked where every key is valid by itself."""
        yield from ()


def _field_problems(section: Section) -> Iterator[str]:
    for name, key in keys_of(type(section)).items():
        problem = key.problem(getattr(section, name))
        if problem:
            yield f"{name} {problem}"


def load_config(kind: type[C], path: Path | None, overrides: list[str]) -> C:
    """Read a TOML file into the dataclass ``kind``.

    Args:
        kind: the dataclass of the whole configuration.
        path: the file; None: nothing is read.
        overrides: ``key.sub=value`` in the order in which they apply.

    Raises:
        BadInput: a missing file, broken TOML, and every unknown key and wrong value in it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except FileNotFoundError:
        raise BadInput(f"no configuration file at {path}") from None
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; give the configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not valid TOML: {error}") from None
    for override in overrides:
        _apply(values, override)
    return build(kind, values, str(path or "--set"))


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise BadInput(f"--set {override}: write key=value, such as training.rounds=10")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    table = values
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise BadInput(f"--set {override}: '{parent}' is a value, not a table")
    table[last] = value


def build(kind: type[C], values: Mapping[str, Any], where: str, prefix: str = "") -> C:
    """Build the dataclass ``kind`` from plain values.

    Numbers are finite ones: nan and inf, which TOML knows, would pass any comparison or none.

    Args:
        kind: the dataclass.
        values: by key, nested ones for nested dataclasses.
        where: what holds the values, named in errors.
        prefix: put before each key in errors, such as ``"training."``.

    Raises:
        BadInput: every unknown key and wrong value, a line each.
    """
    problems: list[str] = []
    built = _built(kind, values, prefix, problems)
    if built is None or problems:
        lines = "".join(f"\n  {p}" for p in problems[1:])
        raise BadInput(f"{where}: {problems[0]}{lines}")
    return built


def _built(kind: type[C], values: Mapping[str, Any], prefix: str, problems: list[str]) -> C | None:
    """The dataclass, or None where something is wrong with it, which ``problems`` then says."""
    keys, before = keys_of(kind), len(problems)
    renamed = getattr(kind, "RENAMED", {})
    for name in values:
        if name in renamed and name not in keys:
            problems.append(f"'{prefix}{name}' is now called '{prefix}{renamed[name]}'")
        elif name not in keys:
            problems.append(f"unknown key '{prefix}{name}': {nearest(name, list(keys))}")
    given = {}
    for name, key in keys.items():
        if name in values:
            value = _value(key.hint, values[name], f"{prefix}{name}", problems)
            problem = key.problem(value)
            if problem:
                problems.append(f"'{prefix}{name}' {problem}")
            given[name] = value
        elif key.required:
            problems.append(f"key '{prefix}{name}' is required")
    if len(problems) > before:
        return None
    try:
        return kind(**given)
    except BadInput as error:
        problems += str(error).splitlines()
        return None


def _value(hint: Any, value: Any, name: str, problems: list[str]) -> Any:
    """``value`` with lists as tuples, and tables as the dataclasses that ``hint`` wants."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _value(next(a for a in args if a is not NoneType), value, name, problems)
    if is_dataclass(hint) and isinstance(value, Mapping):
        built = _built(hint, value, f"{name}.", problems)  # type: ignore[arg-type]
        return hint if built is None else built
    if origin is dict and isinstance(value, Mapping):
        return {k: _value(args[1], v, f"{name}.{k}", problems) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(value)
    return value


def as_toml(config: Any) -> str:
    """Return a configuration as TOML; keys that are None are left out, as TOML has no null."""
    return tomli_w.dumps(_without_none(asdict(config)))


def as_json(config: Any) -> str:
    """Return a configuration as JSON, which is how it reaches other processes."""
    return json.dumps(asdict(config))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value

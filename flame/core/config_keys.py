"""The keys of a configuration: types, bounds and defaults; pydantic checks their values."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from flame.core.registry import nearest

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
_WORDS: Mapping[str, str] = {
    "int_type": "must be a whole number",
    "float_type": "must be a finite number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of its own keys",
    "dataclass_type": "must be a table of its own keys",
    "dataclass_exact_type": "must be a table of its own keys",
    "is_instance_of": "must be a table of its own keys",
    "greater_than_equal": "must be {ge:g} or more",
    "greater_than": "must be above {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_pattern_mismatch": "must match {pattern}",
}
"""Message by pydantic's type of error."""


@dataclass(frozen=True)
class Key:
    """One key of a section.

    Args:
        name: name of the key.
        kind: annotated type, with its bounds.
        hint: the type without its bounds.
        required: whether the key has no default.
        default: default value; ``dataclasses.MISSING`` for a required key.
    """

    name: str
    kind: Any
    hint: Any
    required: bool
    default: Any

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of ``kind``."""
        return TypeAdapter(self.kind, config=_STRICT)

    def problem(self, value: Any) -> str:
        """Return what is wrong with ``value``; an empty text for a valid one."""
        if is_dataclass(self.hint):  # a section has checked itself
            wrong = not isinstance(value, self.hint)  # type: ignore[arg-type]
            return f"must be a table of its own keys, not {value!r}" if wrong else ""
        try:
            self.adapter.validate_python(value)
        except ValidationError as error:
            return problem_of(error.errors(include_url=False)[0])
        return ""


def problem_of(error: ErrorDetails) -> str:
    """Return one of pydantic's errors in plain words, with the wrong value."""
    value = error["input"]
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"]).replace(" or ", ",")
        choices = [choice.strip("' ") for choice in expected.split(",")]
        return f"must be one of {', '.join(choices)}, not {value!r}: {nearest(str(value), choices)}"
    words = _WORDS.get(error["type"])
    text = words.format(**error.get("ctx", {})) if words else error["msg"]
    return f"{text}, not {value!r}"


def keys_of(kind: type[Any]) -> dict[str, Key]:
    """Return the keys of a dataclass by name."""
    if kind not in _KEYS:
        _KEYS[kind] = _read_keys(kind)
    return _KEYS[kind]


_KEYS: dict[type[Any], dict[str, Key]] = {}


def _read_keys(kind: type[Any]) -> dict[str, Key]:
    hints = get_type_hints(kind, include_extras=True)
    keys = {}
    for f in fields(kind):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        annotated = hints[f.name]
        keys[f.name] = Key(f.name, annotated, _plain(annotated), default is MISSING, default)
    return keys


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind

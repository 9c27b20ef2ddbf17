"""The keys of a configuration: types, bounds and defaults as pydantic checks them, in words."""

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
"""What is wrong by pydantic's type of error."""


@dataclass(frozen=True)
class Key:
    """One key of a section: its type with bounds, its plain type, and its default.

    ``kind`` is the annotated type, ``hint`` the same without bounds.
    """

    name: str
    kind: Any
    hint: Any
    required: bool
    default: Any

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks a value."""
        return TypeAdapter(self.kind, config=_STRICT)

    def problem(self, value: Any) -> str:
        """What is wrong with ``value``; empty where nothing is."""
        if is_dataclass(self.hint):  # it has checked itself where it was made
            wrong = not isinstance(value, self.hint) and value is not self.hint  # type: ignore[arg-type]
            return f"must be a table of its own keys, not {value!r}" if wrong else ""
        try:
            self.adapter.validate_python(value)
        except ValidationError as error:
            return problem_of(error.errors(include_url=False)[0])
        return ""


def problem_of(error: ErrorDetails) -> str:
    """One of pydantic's errors in words, with the value that was given."""
    value = error["input"]
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"]).replace(" or ", ",")
        choices = [choice.strip("' ") for choice in expected.split(",")]
        return f"must be one of {', '.join(choices)}, not {value!r}: {nearest(str(value), choices)}"
    words = _WORDS.get(error["type"])
    text = words.format(**error.get("ctx", {})) if words else error["msg"]
    return f"{text}, not {value!r}"


def keys_of(kind: type[Any]) -> dict[str, Key]:
    """The keys of a dataclass by name."""
    if kind not in _KEYS:
        _KEYS[kind] = _read_keys(kind)
    return _KEYS[kind]


_KEYS: dict[type[Any], dict[str, Key]] = {}


def _read_keys(kind: type[Any]) -> dict[str, Key]:
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for f in fields(kind):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        kind_of = hints[f.name]
        found[f.name] = Key(f.name, kind_of, _plain(kind_of), default is MISSING, default)
    return found


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind

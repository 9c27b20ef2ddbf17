"""Sums over patients: those of several centres, added field by field, are those of all patients."""

from dataclasses import fields
from typing import Any, Self


class Additive:
    """A dataclass whose fields can be added."""

    def __add__(self, other: Self) -> Self:
        each: Any = self
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(each)))

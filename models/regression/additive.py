"""Sums over patients: adding those of several centres gives the sums over all their patients."""

from dataclasses import fields
from typing import Any, Self


class Additive:
    """Base of dataclasses that are added field by field.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Total(Additive):
        ...     patients: int
        >>> (Total(3) + Total(4)).patients
        7
    """

    def __add__(self, other: Self) -> Self:
        instance: Any = self
        names = [field.name for field in fields(instance)]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))

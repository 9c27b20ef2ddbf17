"""Sums are added field by field, also where a field is itself such sums."""

from dataclasses import dataclass

import numpy as np

from flame.models.regression.additive import Additive


@dataclass(frozen=True)
class Inner(Additive):
    count: int


@dataclass(frozen=True)
class Outer(Additive):
    inner: Inner
    values: np.ndarray


def test_fields_are_added_one_by_one() -> None:
    found = Outer(Inner(2), np.array([1.0, 2])) + Outer(Inner(3), np.array([10.0, 20]))
    assert found.inner == Inner(5)
    assert found.values.tolist() == [11, 22]

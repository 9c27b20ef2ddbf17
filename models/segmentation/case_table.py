"""The patients of one centre with their training cases, and the Dice coefficient of masks."""

from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Scored

C = TypeVar("C")


@dataclass(frozen=True, eq=False)
class Cases(Generic[C]):
    """The patients of one centre, each with the cases that a model learns from.

    Args:
        centre: name of the centre.
        pseudonyms: name of each of the n patients.
        cases: cases of each of the n patients, in the same order; empty for a patient without any.
        left_out: reason why a patient has no case, one entry for each such patient.
        persons: person of each row; empty: each row is a different person.

    Example:
        >>> table = Cases("a", ("p1", "p2"), (("day 0", "day 90"), ()))
        >>> table.labelled, table.flat
        (array([0]), ['day 0', 'day 90'])
    """

    centre: str
    pseudonyms: tuple[str, ...]
    cases: tuple[tuple[C, ...], ...]
    left_out: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    independent: ClassVar[bool] = False

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices (m,) of the patients with at least one case."""
        return np.flatnonzero([len(c) > 0 for c in self.cases])

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group (n,) of each row, balanced over folds: 0 with cases, 1 without."""
        return np.array([int(not c) for c in self.cases])

    def take(self, index: NDArray[np.intp]) -> "Cases[C]":
        """Select patients.

        Args:
            index: indices (m,) of the rows to keep, in the new order.

        Returns:
            Table of these m patients; ``left_out`` is unchanged.
        """
        return replace(
            self,
            pseudonyms=tuple(self.pseudonyms[i] for i in index),
            cases=tuple(self.cases[i] for i in index),
            persons=tuple(self.persons[i] for i in index) if self.persons else (),
        )

    @property
    def flat(self) -> list[C]:
        """Cases of all patients in one list."""
        return [case for patient in self.cases for case in patient]


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Compute the Dice coefficient of two masks: 2 |a and b| / (|a| + |b|).

    Args:
        a: first mask (x, y, z).
        b: second mask of the same shape.

    Returns:
        Dice coefficient from 0 to 1; NaN where both masks are empty.

    Example:
        >>> dice(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    total = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def scored_dice(by_patient: list[list[float]]) -> Scored:
    """Average Dice first within each patient, then over patients.

    Args:
        by_patient: Dice of each mask of each patient; NaN is ignored.

    Returns:
        Mean over patients and its variance, s^2 / n. ``n`` counts the patients with at least one
        finite value, or all patients where no patient has one. ``events`` counts the finite values.

    Example:
        >>> scored_dice([[0.8, 0.6], [0.9], [float("nan")]]).value
        0.8
    """
    known = [np.asarray(values)[np.isfinite(values)] for values in by_patient]
    means = np.array([values.mean() for values in known if len(values)])
    count = len(means)
    if not count:
        return Scored("dice", float("nan"), 0.0, 0.0, len(by_patient), 0)
    variance = float(means.var(ddof=1)) / count if count > 1 else float("nan")
    measured = sum(map(len, known))
    return Scored("dice", float(means.mean()), variance, float(count), count, measured)

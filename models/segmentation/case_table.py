"""The patients of one centre, each with the cases that a model learns from."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Scored

C = TypeVar("C")


@dataclass(frozen=True, eq=False)
class Cases(Generic[C]):
    """``cases`` of each of ``pseudonyms``; ``left_out`` says who has none and why."""

    centre: str
    pseudonyms: tuple[str, ...]
    cases: tuple[tuple[C, ...], ...]
    left_out: tuple[str, ...] = ()

    @property
    def persons(self) -> tuple[str, ...]:
        """Whose row each is: everyone has one."""
        return self.pseudonyms

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Rows with something to learn from."""
        return np.flatnonzero([len(c) > 0 for c in self.cases])

    @property
    def groups(self) -> NDArray[np.intp]:
        """0 for patients with cases, 1 for those without, so that folds share both."""
        return np.array([int(not c) for c in self.cases])

    def take(self, index: NDArray[np.intp]) -> "Cases[C]":
        """Return the rows ``index``."""
        return replace(
            self,
            pseudonyms=tuple(self.pseudonyms[i] for i in index),
            cases=tuple(self.cases[i] for i in index),
        )

    @property
    def flat(self) -> list[C]:
        """All cases."""
        return [case for patient in self.cases for case in patient]


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice of two masks; NaN where both are empty."""
    total = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def scored_dice(by_patient: list[list[float]]) -> Scored:
    """The mean over patients of the mean of what is known of each."""
    known = [np.asarray(each)[np.isfinite(each)] for each in by_patient]
    means = np.array([each.mean() for each in known if len(each)])
    count = len(means)
    if not count:
        return Scored("dice", float("nan"), 0.0, 0.0, len(by_patient), 0)
    variance = float(means.var(ddof=1)) / count if count > 1 else float("nan")
    measured = sum(map(len, known))
    return Scored("dice", float(means.mean()), variance, float(count), count, measured)

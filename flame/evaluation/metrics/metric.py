"""What a metric is, and the registry of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.registry import Registry
from flame.evaluation.metrics.estimates import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tested:
    """Predictions for the patients of one centre, and what became of them.

    Args:
        response: (n,) 1 responder, 0 not, NaN unknown.
        days: (n,) days of survival, NaN unknown.
        died: (n,) 1 where the patient died on that day.
        predicted: (seed, n) predictions, the higher the better the outcome.
        folds: (seed, n) which patients one and the same model predicted.
        cuts: (seed, n) prediction from which on a patient counts as a responder.
        is_probability: whether predictions are probabilities of response.
    """

    response: Array
    days: Array
    died: Array
    predicted: Array
    folds: NDArray[np.intp]
    cuts: Array
    is_probability: bool

    def of_known_response(self) -> "Tested":
        """The patients whose response is known."""
        return self._rows(np.flatnonzero(np.isfinite(self.response)))

    def of_known_survival(self) -> "Tested":
        """The patients whose days of survival are known."""
        return self._rows(np.flatnonzero(np.isfinite(self.days)))

    def _rows(self, rows: NDArray[np.intp]) -> "Tested":
        return Tested(
            self.response[rows],
            self.days[rows],
            self.died[rows],
            self.predicted[:, rows],
            self.folds[:, rows],
            self.cuts[:, rows],
            self.is_probability,
        )

    @property
    def mean(self) -> Array:
        """Predictions (n,) averaged over seeds."""
        return np.asarray(self.predicted.mean(axis=0))


@dataclass(frozen=True)
class Measured:
    """An estimate, and how many patients and events it rests on."""

    estimate: Estimate
    patients: int
    events: int


@dataclass(frozen=True)
class Metric:
    """One metric in words, how much worse still counts as not worse, and how it is computed.

    A model is not worse than another while the interval of their difference stays within
    ``margin``. ``higher`` is better, or lower; ``bounded`` by 0 and 1; without skill it is at
    ``chance``. ``measure`` computes it for outcomes; metrics of images are computed case by case
    and have none. A ``detail`` is written to tables and not shown in the report.
    """

    title: str
    note: str = ""
    higher: bool = True
    bounded: bool = True
    chance: float | None = None
    margin: float = 0.05
    detail: bool = False
    measure: Callable[[Tested], Measured] | None = None


METRICS: Registry[Metric] = Registry("metric")

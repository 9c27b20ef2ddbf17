"""Defines metrics and their registry."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flame.core.registry import Registry
from flame.evaluation.metrics.estimates import Estimate, averaged, calibration_estimates

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tested:
    """Predictions and outcomes of the patients of one centre.

    Args:
        response: (n,) 1 for responders, 0 for the others, NaN where unknown.
        days: (n,) days of survival or follow-up, NaN where unknown.
        died: (n,) 1 where the patient died on that day.
        predicted: (seed, n) predictions; higher for a better outcome.
        folds: (seed, n) fold of each patient; one model predicted all patients of a fold.
        cuts: (seed, n) predictions of at least this value count as a response.
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
        """Return the patients whose response is known."""
        return self._known

    @cached_property
    def _known(self) -> "Tested":
        return self._rows(np.flatnonzero(np.isfinite(self.response)))

    def of_known_survival(self) -> "Tested":
        """Return the patients whose days of survival are known."""
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

    @cached_property
    def calibration(self) -> tuple[Estimate, Estimate]:
        """Calibration slope and intercept, averaged over seeds; every response has to be known.

        Predictions that are averaged over seeds first would be less extreme than any model's.
        """
        each = [calibration_estimates(self.response, predicted) for predicted in self.predicted]
        slopes, intercepts = zip(*each, strict=True)
        return averaged(slopes), averaged(intercepts)

    def with_responders(self, estimate: Estimate) -> "Measured":
        """Add the number of patients and of responders to an estimate.

        Args:
            estimate: value with its interval; every response has to be known.

        Returns:
            The estimate with both numbers.
        """
        return Measured(estimate, len(self.response), int(self.response.sum()))

    def with_deaths(self, estimate: Estimate) -> "Measured":
        """Add the number of patients and of deaths to an estimate.

        Args:
            estimate: value with its interval.

        Returns:
            The estimate with both numbers.
        """
        return Measured(estimate, len(self.days), int(self.died.sum()))


@dataclass(frozen=True)
class Measured:
    """An estimate with the numbers of patients and events that it is based on.

    Args:
        estimate: value with its interval.
        patients: number of patients.
        events: number of responders or deaths among them.
    """

    estimate: Estimate
    patients: int
    events: int


@dataclass(frozen=True)
class Metric:
    """A metric with its description and its non-inferiority margin.

    Args:
        title: name in reports.
        note: explanation in reports.
        higher: whether a higher value is better.
        bounded: whether values lie between 0 and 1.
        chance: value of a model without skill; None where it is not fixed.
        margin: non-inferiority margin: a model is not worse than another if the whole interval of
            their difference lies above minus the margin.
        detail: whether the metric is only written to tables and not shown in reports.
        measure: computes the metric from predicted outcomes; None for metrics of images, which are
            computed for each case.
    """

    title: str
    note: str = ""
    higher: bool = True
    bounded: bool = True
    chance: float | None = None
    margin: float = 0.05
    detail: bool = False
    measure: Callable[[Tested], Measured] | None = None


METRICS: Registry[Metric] = Registry("metric", Metric)
"""Metrics by name."""

"""Baselines that predict a volume and grow or shrink the last mask evenly to it.

A learned model must outperform all of them, persistence in particular.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from flame.core.treatment import Radiation
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    EvolutionCase,
    Forecast,
    VolumeErrors,
    ball_radius,
    resized,
)
from flame.physics.radiobiology import bed, weighted_dose

Array = NDArray[np.float64]


class VolumeBaseline(ABC):
    """Base of models that predict the volume only.

    ``fit`` learns the volume over time, then the distribution of its error.
    """

    def __init__(self) -> None:
        self.errors = VolumeErrors()

    def learn(self, cases: list[EvolutionCase]) -> None:  # noqa: B027  (persistence learns nothing)
        """Learn the volume over time.

        Args:
            cases: cases with later masks.
        """

    @abstractmethod
    def ml(self, case: EvolutionCase, day: int) -> float:
        """Predict the volume on one day.

        Args:
            case: patient.
            day: day from the start of radiotherapy.

        Returns:
            Volume in ml.
        """

    def fit(self, cases: list[EvolutionCase]) -> None:
        """See ``EvolutionModel``."""
        self.learn(cases)
        rows = [
            (c.log_ml(m) - np.log(max(self.ml(c, d), LEAST_ML)), d - c.day)
            for c in cases
            for d, m in c.later
        ]
        errors, elapsed = np.array(rows, float).T
        self.errors.fit(errors, elapsed, len(cases))

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """See ``EvolutionModel``."""
        forecasts = []
        for day in days:
            ml = self.ml(case, day)
            elapsed = day - case.day
            samples = self.errors.samples(ml, elapsed)
            radius = ball_radius(max(ml, LEAST_ML))
            relative = self.errors.spread * np.sqrt(max(elapsed, 1) / 100) / 3
            forecasts.append(resized(case, day, ml, samples, radius * relative))
        return forecasts


@EVOLUTION_MODELS.register("persistence")
class Persistence(VolumeBaseline):
    """Persistence: the volume stays that of the last mask.

    Example:
        >>> from types import SimpleNamespace as Case
        >>> Persistence().ml(Case(ml=float, tumour=10.0), day=100)
        10.0
    """

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        return case.ml(case.tumour)


def _log_ratios(cases: list[EvolutionCase]) -> tuple[Array, Array]:
    """Return days since baseline and log volume ratio of every later mask."""
    rows = [(d - c.day, c.log_ml(m) - c.log_ml(c.tumour)) for c in cases for d, m in c.later]
    days, ratios = np.array(rows, float).T
    return days, ratios


@EVOLUTION_MODELS.register("cohort rate")
class CohortRate(VolumeBaseline):
    """Exponential growth of every tumour at the mean rate of the training patients.

    V(t) = V0 exp(r t), where r is the least-squares slope of log V / V0 over t.

    Example:
        >>> from types import SimpleNamespace as Case
        >>> model = CohortRate()
        >>> model.rate = np.log(2) / 100
        >>> round(model.ml(Case(ml=float, tumour=10.0, day=0), day=100), 6)
        20.0
    """

    def learn(self, cases: list[EvolutionCase]) -> None:
        """See ``VolumeBaseline``."""
        days, ratios = _log_ratios(cases)
        self.rate = float(days @ ratios / (days @ days))

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        return case.ml(case.tumour) * float(np.exp(self.rate * (day - case.day)))


@EVOLUTION_MODELS.register("last rate")
class LastRate(CohortRate):
    """Exponential growth of each tumour at the rate between the last two images.

    The rate is limited to 0.02 per day in either direction. A tumour with one image grows at the
    mean rate of the training patients.
    """

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        if case.earlier is None:
            return super().ml(case, day)
        earlier_day, mask = case.earlier
        growth = case.log_ml(case.tumour) - case.log_ml(mask)
        rate = float(np.clip(growth / (case.day - earlier_day), -0.02, 0.02))
        return case.ml(case.tumour) * float(np.exp(rate * (day - case.day)))


@EVOLUTION_MODELS.register("Gompertz")
class Gompertz(VolumeBaseline):
    """Gompertz growth V(t) = K exp(log(V0 / K) exp(-a t)), with K and a from training patients.

    Example:
        >>> from types import SimpleNamespace as Case
        >>> model = Gompertz()
        >>> model.capacity = np.log(100.0)
        >>> model.log_a = np.log(np.log(2) / 50)  # half-time 50 days
        >>> round(model.ml(Case(log_ml=np.log, tumour=25.0, day=0), day=50), 6)  # sqrt(25 * 100)
        50.0
    """

    def learn(self, cases: list[EvolutionCase]) -> None:
        """See ``VolumeBaseline``."""
        rows = [(c.log_ml(c.tumour), d - c.day, c.log_ml(m)) for c in cases for d, m in c.later]
        start, days, end = np.array(rows, float).T

        def misfit(p: Array) -> Array:
            """Return the error of log volume (n,) for log K and log a (2,)."""
            return np.asarray(p[0] + (start - p[0]) * np.exp(-np.exp(p[1]) * days) - end)

        guess = np.array([end.mean(), np.log(0.01)])
        self.capacity, self.log_a = least_squares(
            misfit, guess, bounds=([np.log(LEAST_ML), -12], [np.log(2000), 0])
        ).x

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        start = case.log_ml(case.tumour)
        remaining_share = np.exp(-np.exp(self.log_a) * (day - case.day))
        return float(np.exp(self.capacity + (start - self.capacity) * remaining_share))


@EVOLUTION_MODELS.register("dilation")
class Dilation(VolumeBaseline):
    """Ridge regression of the log volume ratio on time, size, last growth rate, BED and radiation.

    An unknown course has neither BED nor radiation.
    """

    sees_dose_alone = False

    def _features(self, case: EvolutionCase, day: int) -> Array:
        """Return the features (f,) of the regression; times are in units of 100 days."""
        t = (day - case.day) / 100
        doses = [sum(weighted_dose(p) for p in case.phases if p.radiation is r) for r in Radiation]
        size = case.log_ml(case.tumour)
        last_rate = 0.0
        if case.earlier is not None:
            earlier_day, mask = case.earlier
            last_rate = (size - case.log_ml(mask)) / ((case.day - earlier_day) / 100)
        shares = np.array(doses[1:]) / max(sum(doses), 1e-9)
        radiotherapy = [
            bed(case.treatment) / 100 if case.treatment else 0.0,
            *shares,
            *(shares * t),
        ]
        if self.sees_dose_alone:
            return np.array([t, t**2, *radiotherapy])
        return np.array([t, t**2, size, t * size, last_rate, t * last_rate, *radiotherapy])

    def learn(self, cases: list[EvolutionCase]) -> None:
        """See ``VolumeBaseline``."""
        features = np.array([self._features(c, d) for c in cases for d, _ in c.later])
        _, ratios = _log_ratios(cases)
        self.mean = features.mean(axis=0)
        self.scale = features.std(axis=0) + 1e-6
        x = (features - self.mean) / self.scale
        self.offset = float(ratios.mean())
        penalty = 5.0 * np.eye(x.shape[1])
        self.slopes = np.linalg.solve(x.T @ x + penalty, x.T @ (ratios - self.offset))

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        x = (self._features(case, day) - self.mean) / self.scale
        return case.ml(case.tumour) * float(np.exp(self.offset + x @ self.slopes))


@EVOLUTION_MODELS.register("dose alone")
class DoseAlone(Dilation):
    """The same regression from time, BED and radiation, without the tumour."""

    sees_dose_alone = True


@EVOLUTION_MODELS.register("neighbours")
class Neighbours(VolumeBaseline):
    """Mean daily growth of the three training patients who are most alike in size and horizon.

    Alike is the Euclidean distance of the log volume and of the log days since baseline, each
    divided by its standard deviation over training patients and days.
    """

    count = 3

    def learn(self, cases: list[EvolutionCase]) -> None:
        """See ``VolumeBaseline``."""
        days, ratios = _log_ratios(cases)
        sizes = np.array([c.log_ml(c.tumour) for c in cases for _ in c.later])
        self.known = np.column_stack([sizes, np.log(days)])
        self.scale = self.known.std(axis=0) + 1e-6
        self.rates = ratios / days

    def ml(self, case: EvolutionCase, day: int) -> float:
        """See ``VolumeBaseline``."""
        elapsed = day - case.day
        here = np.array([case.log_ml(case.tumour), np.log(elapsed)])
        distance = np.linalg.norm((self.known - here) / self.scale, axis=1)
        rate = float(self.rates[np.argsort(distance, kind="stable")[: self.count]].mean())
        return case.ml(case.tumour) * float(np.exp(rate * elapsed))

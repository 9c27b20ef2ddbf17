"""Baselines that predict a volume and let the mask grow or shrink evenly to it.

A learned model has to beat all of them, above all persistence: the last mask again.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from flame.core.treatment import Radiation
from flame.models.clinical.radiobiology import bed, weighted_dose
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    EvolutionCase,
    Forecast,
    VolumeErrors,
    around,
    ball_radius,
    matched,
    signed_distance,
)

Array = NDArray[np.float64]

BASELINES = ("persistence", "cohort rate", "last rate", "Gompertz", "dilation")


class VolumeBaseline(ABC):
    """``fit`` learns the volume over time, and how far it is off, from all cases."""

    def __init__(self) -> None:
        self.errors = VolumeErrors()

    def learn(self, cases: list[EvolutionCase]) -> None:  # noqa: B027  (persistence learns nothing)
        """Learn the volume over time."""

    @abstractmethod
    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day``."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn from cases with later masks."""
        self.learn(cases)
        rows = [
            (c.log_ml(m) - np.log(max(self.ml(c, d), LEAST_ML)), d - c.day)
            for c in cases
            for d, m in c.later
        ]
        errors, elapsed = np.array(rows, float).T
        self.errors.fit(errors, elapsed)

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day."""
        found = []
        for day in days:
            ml, elapsed = self.ml(case, day), day - case.day
            samples = self.errors.samples(ml, elapsed)
            radius = ball_radius(max(ml, LEAST_ML))
            relative = self.errors.spread * np.sqrt(max(elapsed, 1) / 100) / 3
            mask = matched(case.tumour, case.spacing, ml)
            distance = signed_distance(mask, case.spacing)
            width = max(radius * relative * 0.55, 0.5)  # logistic of the same standard deviation
            found.append(Forecast(day, around(distance, width), samples))
        return found


@EVOLUTION_MODELS.register("persistence")
class Persistence(VolumeBaseline):
    """The last mask again."""

    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day`` in ml."""
        return case.ml(case.tumour)


def _log_ratios(cases: list[EvolutionCase]) -> tuple[Array, Array]:
    """Days since baseline and log volume ratio of every later mask."""
    rows = [(d - c.day, c.log_ml(m) - c.log_ml(c.tumour)) for c in cases for d, m in c.later]
    days, ratios = np.array(rows, float).T
    return days, ratios


@EVOLUTION_MODELS.register("cohort rate")
class CohortRate(VolumeBaseline):
    """Every tumour grows exponentially at the mean rate of the training cohort."""

    def learn(self, cases: list[EvolutionCase]) -> None:
        """Learn the volume over time."""
        days, ratios = _log_ratios(cases)
        self.rate = float(days @ ratios / (days @ days))

    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day`` in ml."""
        return case.ml(case.tumour) * float(np.exp(self.rate * (day - case.day)))


@EVOLUTION_MODELS.register("last rate")
class LastRate(CohortRate):
    """Each tumour grows on as it did between its last two images; others at the cohort's rate."""

    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day`` in ml."""
        if case.earlier is None:
            return super().ml(case, day)
        then, mask = case.earlier
        growth = case.log_ml(case.tumour) - case.log_ml(mask)
        rate = float(np.clip(growth / (case.day - then), -0.02, 0.02))
        return case.ml(case.tumour) * float(np.exp(rate * (day - case.day)))


@EVOLUTION_MODELS.register("Gompertz")
class Gompertz(VolumeBaseline):
    """V(t) = K exp(log(V0/K) exp(-a t)), K and a of the training cohort."""

    def learn(self, cases: list[EvolutionCase]) -> None:
        """Learn the volume over time."""
        rows = [(c.log_ml(c.tumour), d - c.day, c.log_ml(m)) for c in cases for d, m in c.later]
        start, days, end = np.array(rows, float).T

        def misfit(p: Array) -> Array:
            return np.asarray(p[0] + (start - p[0]) * np.exp(-np.exp(p[1]) * days) - end)

        guess = np.array([end.mean(), np.log(0.01)])
        self.capacity, self.log_a = least_squares(
            misfit, guess, bounds=([np.log(LEAST_ML), -12], [np.log(2000), 0])
        ).x

    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day`` in ml."""
        start = case.log_ml(case.tumour)
        left = np.exp(-np.exp(self.log_a) * (day - case.day))
        return float(np.exp(self.capacity + (start - self.capacity) * left))


@EVOLUTION_MODELS.register("dilation")
class Dilation(VolumeBaseline):
    """Volume by ridge regression on time, size, last growth, BED and radiation."""

    def _features(self, case: EvolutionCase, day: int) -> Array:
        t = (day - case.day) / 100
        doses = [
            sum(weighted_dose(p) for p in case.treatment.phases if p.radiation is r)
            for r in Radiation
        ]
        size, last = case.log_ml(case.tumour), 0.0
        if case.earlier is not None:
            then, mask = case.earlier
            last = (size - case.log_ml(mask)) / ((case.day - then) / 100)
        shares = np.array(doses[1:]) / sum(doses)
        return np.array(
            [
                t,
                t**2,
                size,
                t * size,
                last,
                t * last,
                bed(case.treatment) / 100,
                *shares,
                *(shares * t),
            ]
        )

    def learn(self, cases: list[EvolutionCase]) -> None:
        """Learn the volume over time."""
        features = np.array([self._features(c, d) for c in cases for d, _ in c.later])
        _, ratios = _log_ratios(cases)
        self.mean, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        x = (features - self.mean) / self.scale
        self.offset = float(ratios.mean())
        penalty = 5.0 * np.eye(x.shape[1])
        self.slopes = np.linalg.solve(x.T @ x + penalty, x.T @ (ratios - self.offset))

    def ml(self, case: EvolutionCase, day: int) -> float:
        """Volume on ``day`` in ml."""
        x = (self._features(case, day) - self.mean) / self.scale
        return case.ml(case.tumour) * float(np.exp(self.offset + x @ self.slopes))

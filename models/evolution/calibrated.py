"""Split-conformal calibration of any evolution model on patients it did not learn from.

Volume intervals are stretched about their median, in the logarithm and on either side apart, until
the 90 % band covers the whole course of as many calibration patients as it says (Vovk 2005; Romano
2019, arXiv:1905.03222), and the voxel probability is tempered (Guo 2017, arXiv:1706.04599). The
course of a new patient who is exchangeable with them lies within the band with a chance of 90 % or
more, a single day more often. Both come from sums over patients, on a grid, so that sums over
centres give what pooled patients would.
"""

from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.models.evolution.model import LEAST_ML, EvolutionCase, EvolutionModel, Forecast
from flame.models.regression.additive import Additive

Array = NDArray[np.float64]

LEVEL = 0.9
STRETCHES = np.exp(np.linspace(np.log(0.05), np.log(50), 300))
TEMPERATURES = np.exp(np.linspace(-2.0, 2.5, 46))
_LEAST_CASES = 3
_centre = attrgetter("centre")
_LEAST_SPREAD = 0.02


@dataclass(frozen=True)
class Calibration:
    """Factors on log volumes below and above their median, and divisor of the voxel logit."""

    low: float = 1.0
    high: float = 1.0
    temperature: float = 1.0

    def apply(self, forecast: Forecast, largest_ml: float) -> Forecast:
        """The forecast, calibrated; volumes between nothing and ``largest_ml``."""
        logs = _logs(forecast)
        away = logs - np.median(logs)
        volumes = np.exp(np.median(logs) + np.where(away < 0, self.low, self.high) * away)
        volumes = np.where(volumes <= LEAST_ML, np.minimum(forecast.volumes, volumes), volumes)
        p = 1 / (1 + np.exp(-_logit(forecast.probability) / self.temperature))
        return replace(
            forecast, volumes=np.minimum(volumes, largest_ml), probability=p.astype(np.float32)
        )


@dataclass(frozen=True, eq=False)
class Sums(Additive):
    """What patients add to a calibration: patients by the stretch they need, and cross-entropy.

    ``counts`` (side, stretch), the sides below and above the median, and ``entropy``
    (temperature,) over the voxels in doubt.
    """

    counts: Array
    entropy: Array

    def calibration(self) -> Calibration:
        """The least stretches that cover LEVEL of the patients, the likeliest temperature."""
        n = int(self.counts[0].sum())
        rank = min(int(np.ceil((n + 1) * (1 + LEVEL) / 2)), n)
        low, high = (
            float(STRETCHES[int(np.searchsorted(np.cumsum(side), rank))]) for side in self.counts
        )
        return Calibration(low, high, float(TEMPERATURES[int(self.entropy.argmin())]))


def summed(model: EvolutionModel, cases: list[EvolutionCase]) -> Sums:
    """Sums over ``cases``, from none of which the model learned."""
    counts, entropy = np.zeros((2, len(STRETCHES))), np.zeros(len(TEMPERATURES))
    for case in cases:
        forecasts, needed = model.forecast(case, tuple(d for d, _ in case.later)), [0.0, 0.0]
        for forecast, (_, mask) in zip(forecasts, case.later, strict=True):
            above, stretch = score(forecast, case.ml(mask))
            needed[above] = max(needed[above], stretch)
            logit = _logit(forecast.probability)
            doubt = np.abs(logit) < 4
            entropy += entropies(logit[doubt], mask[doubt])
        for side, stretch in zip(counts, needed, strict=True):
            side[min(int(np.searchsorted(STRETCHES, stretch)), len(STRETCHES) - 1)] += 1
    return Sums(counts, entropy)


@dataclass
class Calibrated:
    """``model`` learns from all cases but every ``one_in``-th of a centre, which calibrate it."""

    model: EvolutionModel
    one_in: int = 3
    calibration: Calibration = field(default_factory=Calibration)

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn, then calibrate; raises BadInput where too few cases are left to calibrate."""
        learning, held = self.split(cases)
        if len(held) < _LEAST_CASES:
            raise BadInput(
                f"{len(cases)} patients are too few to learn from and to calibrate; give "
                f"{_LEAST_CASES * self.one_in} or more"
            )
        self.model.fit(learning)
        self.calibration = summed(self.model, held).calibration()

    def split(self, cases: list[EvolutionCase]) -> tuple[list[EvolutionCase], list[EvolutionCase]]:
        """The cases to learn from, and every ``one_in``-th of each centre, which calibrate."""
        by_centre = groupby(sorted(cases, key=_centre), key=_centre)
        placed = [item for _, own in by_centre for item in enumerate(own)]
        learning = [case for n, case in placed if n % self.one_in]
        return learning, [case for n, case in placed if not n % self.one_in]

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """The model's forecasts, calibrated."""
        largest = case.ml(np.ones_like(case.tumour))
        return [self.calibration.apply(f, largest) for f in self.model.forecast(case, days)]


def _logit(probability: NDArray[np.float32]) -> Array:
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def _logs(forecast: Forecast) -> Array:
    """Log volumes; where all are the same, evenly about it instead."""
    logs = np.log(np.maximum(forecast.volumes, LEAST_ML))
    if np.ptp(logs) > 2 * _LEAST_SPREAD:
        return np.asarray(logs)
    return np.asarray(np.median(logs) + np.linspace(-_LEAST_SPREAD, _LEAST_SPREAD, len(logs)))


def score(forecast: Forecast, ml: float) -> tuple[bool, float]:
    """Whether the truth lies above the median, and the stretch of that side that reaches it."""
    logs = _logs(forecast)
    middle = np.median(logs)
    low, high = np.quantile(logs - middle, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    error = float(np.log(max(ml, LEAST_ML)) - middle)
    side = max(high, _LEAST_SPREAD) if error > 0 else min(low, -_LEAST_SPREAD)
    return error > 0, float(error / side)


def entropies(logits: Array, truth: NDArray[np.bool_]) -> Array:
    """Summed cross-entropy at each of TEMPERATURES."""
    scaled = logits[None] / TEMPERATURES[:, None]
    return np.asarray((np.logaddexp(0, scaled) - scaled * truth[None]).sum(axis=1))

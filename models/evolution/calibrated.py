"""Split-conformal calibration of an evolution model on patients that it was not trained on.

Log volumes are stretched about their median, separately below and above, until the 90 % band covers
the whole course of 90 % of the calibration patients. Temperature scaling calibrates the voxel
probability. For a new patient exchangeable with the calibration patients, the band covers the whole
course with probability 90 % or more. It covers a single day more often. Both calibrations need only
sums over patients on a grid, so sums over centres give the pooled result.

Reference:
    Vovk et al. 2005; Romano et al. 2019, arXiv:1905.03222 (conformal prediction).
    Guo et al. 2017, arXiv:1706.04599 (temperature scaling).
"""

from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.models.evolution.model import BAND as LEVEL
from flame.models.evolution.model import LEAST_ML, EvolutionCase, EvolutionModel, Forecast, agreeing
from flame.models.regression.additive import Additive

Array = NDArray[np.float64]

STRETCHES = np.exp(np.linspace(np.log(0.05), np.log(50), 300))
"""Grid of factors on log volumes about their median."""
TEMPERATURES = np.exp(np.linspace(-2.0, 2.5, 46))
"""Grid of temperatures that divide the voxel logit."""
_UNCERTAIN_LOGIT = 4
"""Absolute logit below which a voxel counts as uncertain."""
_LEAST_CASES = 3
"""Smallest number of calibration cases."""
_LEAST_SPREAD = 0.02
"""Smallest distance of log volumes from their median to the edge of the band."""
_centre = attrgetter("centre")


@dataclass(frozen=True)
class Calibration:
    """Calibration of volume intervals and of the voxel probability.

    Args:
        low: factor on the distance of log volumes below their median; infinite if too few patients
            calibrated it.
        high: the same above their median.
        temperature: divisor of the voxel logit.
    """

    low: float = 1.0
    high: float = 1.0
    temperature: float = 1.0

    def apply(self, forecast: Forecast, largest_ml: float) -> Forecast:
        """Calibrate a forecast.

        Log volumes with median m become m + factor (log V - m), with ``low`` below and ``high``
        above m. The voxel probability becomes sigmoid(logit(p) / temperature). Where a factor is
        infinite, volumes on that side stay as they are, and the band has no end there.

        Args:
            forecast: forecast of the model.
            largest_ml: upper limit of volumes in ml.

        Returns:
            Forecast with calibrated volumes and voxel probability.

        Example:
            >>> half = np.full((1, 1, 1), 0.5, np.float32)
            >>> forecast = Forecast(day=90, probability=half, volumes=np.array([5.0, 10.0, 20.0]))
            >>> Calibration(high=2.0).apply(forecast, largest_ml=100.0).volumes.round(3).tolist()
            [5.0, 10.0, 40.0]
        """
        if self == Calibration():
            return replace(forecast, volumes=np.minimum(forecast.volumes, largest_ml))
        logs = _logs(forecast)
        away = logs - np.median(logs)
        endless = (not np.isfinite(self.low), not np.isfinite(self.high))
        low, high = (1.0 if e else f for e, f in zip(endless, (self.low, self.high), strict=True))
        volumes = np.exp(np.median(logs) + np.where(away < 0, low, high) * away)
        volumes = np.where(volumes <= LEAST_ML, np.minimum(forecast.volumes, volumes), volumes)
        p = 1 / (1 + np.exp(-_logit(forecast.probability) / self.temperature))
        return replace(
            forecast,
            volumes=np.minimum(volumes, largest_ml),
            probability=p.astype(np.float32),
            endless=endless,
        )


@dataclass(frozen=True, eq=False)
class Sums(Additive):
    """Sums over calibration patients, which add up over centres.

    Args:
        counts: number of patients by the factor that they need (2, stretch), for the sides below
            and above the median, on the grid STRETCHES.
        entropy: cross-entropy (temperature,) summed over uncertain voxels, on the grid
            TEMPERATURES.
    """

    counts: Array
    entropy: Array

    def calibration(self) -> Calibration:
        """Derive the calibration from the sums.

        Returns:
            Calibration. The factor of each side is the ceil((n + 1)(1 + LEVEL) / 2)-th smallest of
            n patients, and infinite if there are fewer than that: below 19 patients for 90 %. The
            temperature is that of the smallest cross-entropy.
        """
        n = int(self.counts[0].sum())
        rank = int(np.ceil((n + 1) * (1 + LEVEL) / 2))
        low, high = (
            float("inf") if rank > n else float(STRETCHES[np.searchsorted(np.cumsum(side), rank)])
            for side in self.counts
        )
        return Calibration(low, high, float(TEMPERATURES[int(self.entropy.argmin())]))


def summed(model: EvolutionModel, cases: list[EvolutionCase]) -> Sums:
    """Compute the calibration sums of patients that the model was not trained on.

    A patient counts once on each side, with the largest factor that any day of the course needs.
    Voxels with an absolute logit below 4 enter the cross-entropy.

    Args:
        model: trained model.
        cases: cases with later masks.

    Returns:
        Sums over the patients.
    """
    counts = np.zeros((2, len(STRETCHES)))
    entropy = np.zeros(len(TEMPERATURES))
    for case in cases:
        forecasts = model.forecast(case, tuple(d for d, _ in case.later))
        needed = [0.0, 0.0]
        for forecast, (_, mask) in zip(forecasts, case.later, strict=True):
            above, stretch = score(forecast, case.ml(mask))
            needed[above] = max(needed[above], stretch)
            logit = _logit(forecast.probability)
            uncertain = np.abs(logit) < _UNCERTAIN_LOGIT
            entropy += entropies(logit[uncertain], mask[uncertain])
        for side, stretch in zip(counts, needed, strict=True):
            side[min(int(np.searchsorted(STRETCHES, stretch)), len(STRETCHES) - 1)] += 1
    return Sums(counts, entropy)


def together(counts: Array, least: int) -> Array:
    """Move counts to larger factors until none is of fewer than ``least`` patients.

    The band then covers at least as much as it would without that.

    Args:
        counts: number of patients by the factor that they need (stretch,).
        least: least number of patients behind a count; with fewer in all, they stay together.

    Returns:
        Counts (stretch,) with the same sum.

    Example:
        >>> together(np.array([1.0, 2.0, 0.0, 3.0, 1.0]), least=3)
        array([0., 3., 0., 0., 4.])
    """
    moved = np.zeros_like(counts)
    waiting = 0.0
    for place in np.flatnonzero(counts):
        waiting += counts[place]
        if waiting >= least:
            moved[place], waiting = waiting, 0.0
    if waiting:  # too few are left: the last group joins them at the largest factor
        before = np.flatnonzero(moved)[-1:]
        waiting += moved[before].sum()
        moved[before] = 0
        moved[np.flatnonzero(counts)[-1]] = waiting
    return moved


@dataclass
class Calibrated:
    """Evolution model that holds out some of its training cases to calibrate itself.

    Args:
        model: model to train and to calibrate.
        one_in: every ``one_in``-th case of each centre is held out.
        calibration: calibration of the forecasts; ``fit`` replaces it.
    """

    model: EvolutionModel
    one_in: int = 3
    calibration: Calibration = field(default_factory=Calibration)

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Train the model on some of the cases and calibrate it on the others.

        Args:
            cases: cases with later masks.

        Raises:
            BadInput: fewer than three cases remain for the calibration.
        """
        training, calibrating = self.split(cases)
        if len(calibrating) < _LEAST_CASES:
            raise BadInput(
                f"{len(cases)} patients are too few to train and to calibrate the model; provide "
                f"{_LEAST_CASES * self.one_in} or more"
            )
        self.model.fit(training)
        self.calibration = summed(self.model, calibrating).calibration()

    def split(self, cases: list[EvolutionCase]) -> tuple[list[EvolutionCase], list[EvolutionCase]]:
        """Split the cases of each centre into training and calibration cases.

        Args:
            cases: cases of one or several centres.

        Returns:
            Training cases, calibration cases.

        Example:
            >>> from types import SimpleNamespace as Case
            >>> cases = [Case(centre="a", name=n) for n in range(4)]
            >>> [[c.name for c in part] for part in Calibrated(model=None, one_in=3).split(cases)]
            [[1, 2], [0, 3]]
        """
        training: list[EvolutionCase] = []
        calibrating: list[EvolutionCase] = []
        for _, of_centre in groupby(sorted(cases, key=_centre), key=_centre):
            for n, case in enumerate(of_centre):
                part = training if n % self.one_in else calibrating
                part.append(case)
        return training, calibrating

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """Forecast with the model and calibrate the forecasts.

        Args:
            case: patient with the treatment to forecast.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            One calibrated forecast for each day.
        """
        largest = case.ml(np.ones_like(case.tumour))
        forecasts = [self.calibration.apply(f, largest) for f in self.model.forecast(case, days)]
        return [agreeing(f, case.voxel_ml) for f in forecasts]


def _logit(probability: NDArray[np.float32]) -> Array:
    """Return the logit of probabilities clipped to [1e-6, 1 - 1e-6]."""
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def _logs(forecast: Forecast) -> Array:
    """Return log volumes; if they are all equal, spread them evenly about that value."""
    logs = np.log(np.maximum(forecast.volumes, LEAST_ML))
    if np.ptp(logs) > 2 * _LEAST_SPREAD:
        return np.asarray(logs)
    return np.asarray(np.median(logs) + np.linspace(-_LEAST_SPREAD, _LEAST_SPREAD, len(logs)))


def score(forecast: Forecast, ml: float) -> tuple[bool, float]:
    """Find the side of the true volume and the factor with which the band reaches it.

    Args:
        forecast: forecast of one day.
        ml: true volume in ml; values below LEAST_ML count as LEAST_ML.

    Returns:
        Whether the true log volume lies above the median, and its distance from the median divided
        by that of the band's edge on that side.

    Example:
        >>> volumes = 10 * np.exp(np.linspace(-1, 1, 41))
        >>> forecast = Forecast(90, np.zeros((1, 1, 1), np.float32), volumes)
        >>> above, factor = score(forecast, ml=10 * np.exp(0.45))
        >>> above, round(factor, 6)
        (True, 0.5)
    """
    logs = _logs(forecast)
    middle = np.median(logs)
    low, high = np.quantile(logs - middle, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    error = float(np.log(max(ml, LEAST_ML)) - middle)
    side = max(high, _LEAST_SPREAD) if error > 0 else min(low, -_LEAST_SPREAD)
    return error > 0, float(error / side)


def entropies(logits: Array, truth: NDArray[np.bool_]) -> Array:
    """Compute the cross-entropy at each of TEMPERATURES, summed over voxels.

    Args:
        logits: predicted logits (n,).
        truth: whether each voxel is tumour (n,).

    Returns:
        Sums (temperature,) in nats.

    Example:
        >>> entropies(np.array([0.0]), np.array([True]))[:2].round(4)  # log(2)
        array([0.6931, 0.6931])
    """
    scaled = logits[None] / TEMPERATURES[:, None]
    return np.asarray((np.logaddexp(0, scaled) - scaled * truth[None]).sum(axis=1))

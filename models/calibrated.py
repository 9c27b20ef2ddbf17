"""Split-conformal calibration of any evolution model on patients it did not learn from.

Volume intervals are stretched about their median, in the logarithm, until the 90 % interval covers
as many calibration patients as it says (Vovk 2005; Romano 2019, arXiv:1905.03222), and the voxel
probability is tempered (Guo 2017, arXiv:1706.04599). With n calibration cases the coverage of a
new exchangeable one lies between 90 % and 90 % + 1/(n + 1).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from flame.core.errors import BadInput
from flame.models.evolution import LEAST_ML, EvolutionCase, EvolutionModel, Forecast

Array = NDArray[np.float64]

LEVEL = 0.9
_LEAST_CASES = 3


@dataclass
class Calibrated:
    """``model`` learns from all cases but every ``one_in``-th, which calibrate it."""

    model: EvolutionModel
    one_in: int = 4
    stretch: float = 1.0
    temperature: float = 1.0

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn, then calibrate; raises BadInput where too few cases are left to calibrate."""
        held = cases[:: self.one_in]
        if len(held) < _LEAST_CASES:
            raise BadInput(
                f"{len(cases)} patients are too few to learn from and to calibrate; give "
                f"{_LEAST_CASES * self.one_in} or more"
            )
        self.model.fit([c for n, c in enumerate(cases) if n % self.one_in])
        self.calibrate(held)

    def calibrate(self, cases: list[EvolutionCase]) -> None:
        """Learn stretch and temperature from ``cases``, none of which the model learned from."""
        scores, logits, truths = [], list[Array](), list[NDArray[np.bool_]]()
        for case in cases:
            forecasts = self.model.forecast(case, tuple(d for d, _ in case.later))
            for forecast, (_, mask) in zip(forecasts, case.later, strict=True):
                scores.append(score(forecast, case.ml(mask)))
                logit = _logit(forecast.probability)
                doubt = np.abs(logit) < 4
                logits.append(logit[doubt])
                truths.append(mask[doubt])
        n = len(scores)
        rank = min(int(np.ceil((n + 1) * LEVEL)), n)
        self.stretch = float(np.sort(scores)[rank - 1])
        self.temperature = fitted_temperature(np.concatenate(logits), np.concatenate(truths))

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """The model's forecasts, calibrated."""
        found = []
        for forecast in self.model.forecast(case, days):
            logs = np.log(np.maximum(forecast.volumes, LEAST_ML))
            middle = np.median(logs)
            volumes = np.exp(middle + self.stretch * _least_spread(logs - middle))
            probability = 1 / (1 + np.exp(-_logit(forecast.probability) / self.temperature))
            found.append(
                replace(forecast, volumes=volumes, probability=probability.astype(np.float32))
            )
        return found


def _logit(probability: NDArray[np.float32]) -> Array:
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def _least_spread(deviations: Array, least: float = 0.02) -> Array:
    """Deviations of a sample; where all are the same, evenly over ``least`` instead."""
    if np.ptp(deviations) > 2 * least:
        return deviations
    return np.linspace(-least, least, len(deviations))


def score(forecast: Forecast, ml: float) -> float:
    """How far the interval of LEVEL must stretch about its median to reach the truth."""
    logs = np.log(np.maximum(forecast.volumes, LEAST_ML))
    middle = np.median(logs)
    low, high = np.quantile(_least_spread(logs - middle), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    error = float(np.log(max(ml, LEAST_ML)) - middle)
    return float(error / (high if error > 0 else low))


def fitted_temperature(logits: Array, truth: NDArray[np.bool_]) -> float:
    """Temperature of least cross-entropy."""
    if not len(logits):
        return 1.0

    def entropy(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - scaled * truth))

    found = minimize_scalar(entropy, bounds=(-2.0, 2.5), method="bounded")
    return float(np.exp(found.x))

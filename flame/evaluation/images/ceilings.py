"""How well a forecast could do at most: ceilings that know the truth and are no models."""

import numpy as np

from flame.core.registry import Registry
from flame.models.evolution.model import EvolutionCase, EvolutionModel, Forecast, matched

CEILINGS: Registry[EvolutionModel] = Registry("ceiling")


class _Knowing:
    """Forecasts with certainty a mask made from the true one."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """There is nothing to learn."""

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """The mask forecast."""
        raise NotImplementedError

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day; only of days whose mask is known."""
        known, found = dict(case.later), []
        for day in days:
            mask = self.mask(case, known[day])
            found.append(Forecast(day, mask.astype(np.float32), np.full(40, case.ml(mask))))
        return found


class OracleVolume(_Knowing):
    """The last mask grown or shrunk evenly to the true volume: what knowing the volume gives."""

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """The mask forecast."""
        return matched(case.tumour, case.spacing, case.ml(truth))


class OneVoxel(_Knowing):
    """The true mask one voxel further along x: what is lost to the grid and to contours."""

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """The mask forecast."""
        moved = np.zeros_like(truth)
        moved[1:] = truth[:-1]
        return moved


CEILINGS.register("oracle volume")(OracleVolume())
CEILINGS.register("one voxel off")(OneVoxel())

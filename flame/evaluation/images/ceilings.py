"""Upper bounds for tumour forecasts: forecasts derived from the true later mask, not models."""

import numpy as np

from flame.core.registry import Registry
from flame.models.evolution.model import EvolutionCase, EvolutionModel, Forecast, matched

CEILINGS: Registry[EvolutionModel] = Registry("ceiling")
"""Upper bounds by name."""


class _Knowing:
    """Base of forecasts that are certain and derived from the true mask."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Do nothing: an upper bound has nothing to learn.

        Args:
            cases: ignored.
        """

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """Return the predicted mask (x, y, z).

        Args:
            case: the patient.
            truth: (x, y, z) true mask of the day.
        """
        raise NotImplementedError

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """Return one forecast for each day, with probabilities 0 and 1 and a single volume.

        Args:
            case: the patient, with true masks in ``later``.
            days: days from the start of radiotherapy, each of them in ``case.later``.
        """
        known, found = dict(case.later), []
        for day in days:
            mask = self.mask(case, known[day])
            found.append(Forecast(day, mask.astype(np.float32), np.full(40, case.ml(mask))))
        return found


class OracleVolume(_Knowing):
    """Upper bound of volume models: the last mask, grown or shrunk evenly to the true volume.

    Example:
        >>> from types import SimpleNamespace
        >>> last = np.zeros((5, 5, 5), bool)
        >>> last[1:4, 1:4, 1:4] = True
        >>> case = SimpleNamespace(tumour=last, spacing=10.0, ml=lambda mask: float(mask.sum()))
        >>> truth = np.zeros((5, 5, 5), bool)
        >>> truth[0, 0, :4] = True
        >>> int(OracleVolume().mask(case, truth).sum())
        4
    """

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """See ``_Knowing``."""
        return matched(case.tumour, case.spacing, case.ml(truth))


class OneVoxel(_Knowing):
    """Upper bound set by the grid: the true mask shifted by one voxel along x.

    Example:
        >>> truth = np.array([1, 1, 0, 0], bool).reshape(4, 1, 1)
        >>> OneVoxel().mask(None, truth).ravel().astype(int).tolist()
        [0, 1, 1, 0]
    """

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """See ``_Knowing``."""
        moved = np.zeros_like(truth)
        moved[1:] = truth[:-1]
        return moved


CEILINGS.register("oracle volume")(OracleVolume())
CEILINGS.register("one voxel off")(OneVoxel())

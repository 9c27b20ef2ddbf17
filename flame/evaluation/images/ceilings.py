"""Upper bounds for tumour forecasts: forecasts derived from the true later mask, not models."""

import numpy as np

from flame.core.registry import Registry
from flame.models.evolution.model import LEVELS, EvolutionCase, EvolutionModel, Forecast, matched

CEILINGS: Registry[EvolutionModel] = Registry("ceiling")
"""Upper bounds by name."""


class _UpperBound:
    """Base of upper bounds: forecasts without uncertainty, derived from the true mask."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Do nothing: an upper bound has nothing to learn.

        Args:
            cases: ignored.
        """

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """Derive the predicted mask of a day from the true one.

        Args:
            case: the patient.
            truth: (x, y, z) true mask of the day.

        Returns:
            (x, y, z) predicted mask.
        """
        raise NotImplementedError

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """Forecast each day, with probabilities 0 and 1 and a single volume.

        Args:
            case: the patient, with true masks in ``later``.
            days: days from the start of radiotherapy, each of them in ``case.later``.

        Returns:
            One forecast for each day; all its volume samples equal the volume of its mask in ml.
        """
        true_masks = dict(case.later)
        forecasts = []
        for day in days:
            mask = self.mask(case, true_masks[day])
            volumes = np.full(len(LEVELS), case.ml(mask))
            forecasts.append(Forecast(day, mask.astype(np.float32), volumes))
        return forecasts


class OracleVolume(_UpperBound):
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
        """Return the last mask, grown or shrunk evenly to the volume of the true one."""
        return matched(case.tumour, case.spacing, case.ml(truth))


class OneVoxel(_UpperBound):
    """Upper bound set by the grid: the true mask shifted by one voxel along x.

    Example:
        >>> truth = np.array([1, 1, 0, 0], bool).reshape(4, 1, 1)
        >>> OneVoxel().mask(None, truth).ravel().astype(int).tolist()
        [0, 1, 1, 0]
    """

    def mask(self, case: EvolutionCase, truth: np.ndarray) -> np.ndarray:
        """Return the true mask shifted by one voxel towards larger x."""
        shifted = np.zeros_like(truth)
        shifted[1:] = truth[:-1]
        return shifted


CEILINGS.register("oracle volume")(OracleVolume())
CEILINGS.register("one voxel off")(OneVoxel())

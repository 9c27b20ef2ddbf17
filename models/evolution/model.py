"""What an evolution model sees, what it gives back, and the registry of such models.

A model predicts where the gross tumour volume will be on later days, for the radiotherapy given.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge, MultipleOf
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.special import expit

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.core.treatment import Treatment

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Samples = NDArray[np.float64]

LEAST_ML = 1.0
"""Volumes below it count as it wherever a logarithm is taken: less is not measurable on MRI."""
_LEAST_COVERED = 0.95
LEVELS = (np.arange(40) + 0.5) / 40
"""Probabilities at which volumes of a distribution are given."""


@dataclass(frozen=True)
class EvolutionConfig(Section):
    """A forecast of the tumour and its training."""

    model: str = "hybrid"
    """mechanistic, U-Net or hybrid."""
    steps: Annotated[int, Ge(1)] = 600
    """Batches that a network learns in all."""
    batch_size: Annotated[int, Ge(1)] = 4
    """Patients a batch."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 8
    """Width of the first convolution: 4, or a multiple of 8."""
    calibration: Annotated[int, Ge(2)] = 3
    """Every n-th training patient is held out to calibrate the band."""
    latest_day: Annotated[int, Ge(1)] = 400
    """Last day from the start of radiotherapy that is learned from and forecast."""

    def rules(self) -> Iterator[Rule]:
        """Group normalisation needs groups of 8 channels."""
        yield (
            self.filters == 4 or self.filters % 8 == 0,
            "evolution.filters: 4, or a multiple of 8",
        )


@dataclass(frozen=True, eq=False)
class EvolutionCase:
    """One patient on a cube of voxels of ``spacing`` mm around the tumour before radiotherapy.

    ``day`` (at most 0) is that of ``tumour``; ``earlier`` an imaging before it, as day and mask.
    ``images`` (x, y, z, c) are z-scored, ``white`` and ``grey`` tissue fractions, ``dose`` the
    RBE-weighted dose of the whole course in Gy. ``later`` are the days that followed and their
    masks. ``methylated`` is that of the MGMT promoter: 1, 0, or NaN where it is not known.
    """

    pseudonym: str
    centre: str
    spacing: float
    day: int
    tumour: Mask
    images: Volume
    white: Volume
    grey: Volume
    dose: Volume
    treatment: Treatment
    earlier: tuple[int, Mask] | None = None
    later: tuple[tuple[int, Mask], ...] = ()
    methylated: float = float("nan")

    def __post_init__(self) -> None:
        if self.day > 0:
            raise BadInput(f"{self.pseudonym}: the baseline lies after the start of radiotherapy")
        if not self.tumour.any():
            raise BadInput(f"{self.pseudonym}: no tumour mask before radiotherapy")
        covered = float((self.dose[self.tumour] > 0).mean())
        if covered < _LEAST_COVERED:
            raise BadInput(
                f"{self.pseudonym}: the dose grid covers {covered:.0%} of the tumour; give the "
                "dose of the whole course, on a grid around all of it"
            )
        if self.earlier is not None and self.earlier[0] >= self.day:
            raise BadInput(f"{self.pseudonym}: the earlier image is not before the baseline")
        if any(day <= self.day for day, _ in self.later):
            raise BadInput(f"{self.pseudonym}: a follow-up lies before the baseline")

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.spacing**3 / 1000

    def ml(self, mask: Mask) -> float:
        """Volume of ``mask``."""
        return float(np.count_nonzero(mask)) * self.voxel_ml

    def log_ml(self, mask: Mask) -> float:
        """Log volume of ``mask``, at least that of LEAST_ML."""
        return float(np.log(max(self.ml(mask), LEAST_ML)))


@dataclass(frozen=True, eq=False)
class Forecast:
    """Distribution of the tumour on ``day``.

    ``probability`` (x, y, z) of each voxel being tumour; ``volumes`` are equally likely ml.
    """

    day: int
    probability: Volume
    volumes: Samples

    @property
    def mask(self) -> Mask:
        """The most likely mask."""
        return np.asarray(self.probability >= 0.5)

    def interval(self, level: float) -> tuple[float, float]:
        """Central interval of the volume in ml."""
        low, high = np.quantile(self.volumes, [0.5 - level / 2, 0.5 + level / 2])
        return float(low), float(high)


class EvolutionModel(Protocol):
    """Learns from cases with a later mask, forecasts for cases without."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn from the cases of one or several centres."""

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day, under the treatment of ``case``."""


EVOLUTION_MODELS: Registry[Callable[..., EvolutionModel]] = Registry("evolution model")


def volumes_of(probability: Volume, spacing: float) -> Samples:
    """Equally likely volumes in ml of masks that lie within each other and have ``probability``.

    Such a mask is the set of voxels above a level, and each level is as likely as any other. A
    voxel within 0.01 of a level counts in part, so that small differences are not lost.
    """
    possible = probability[probability > 0.002].astype(np.float64)
    inside = np.clip((possible - (1 - LEVELS)[:, None]) / 0.02 + 0.5, 0, 1)
    return np.asarray(inside.sum(axis=1) * spacing**3 / 1000)


def soft_voxels(values: Volume) -> float:
    """How many voxels exceed one half; those near it count in part.

    The part goes from nothing at 0.35 to all at 0.65, about the step from one voxel to the next
    across a contour, so that differences of less than a voxel are not lost.
    """
    return float(np.clip((values - 0.35) / 0.3, 0, 1).sum(dtype=np.float64))


def ball_radius(ml: float) -> float:
    """Radius in mm of a ball of ``ml``."""
    return float((3000 * ml / (4 * np.pi)) ** (1 / 3))


def signed_distance(mask: Mask, spacing: float) -> Volume:
    """Distance to the surface in mm, positive inside."""
    if not mask.any():
        return np.full(mask.shape, -np.inf, np.float32)
    inside = distance_transform_edt(mask) - distance_transform_edt(~mask)
    return np.asarray((inside - 0.5 * np.sign(inside)) * spacing, np.float32)


def matched(mask: Mask, spacing: float, ml: float) -> Mask:
    """``mask`` grown or shrunk evenly at its surface until it has a volume of ``ml``."""
    voxels = min(round(ml * 1000 / spacing**3), mask.size)
    if voxels < 1 or not mask.any():
        return np.zeros(mask.shape, bool)
    # Voxels at one distance from the surface come in the order of how much tumour is around them.
    order = signed_distance(mask, spacing) + gaussian_filter(mask.astype(np.float32), 1.5)
    found = np.zeros(mask.size, bool)
    found[np.argpartition(order.ravel(), -voxels)[-voxels:]] = True
    return found.reshape(mask.shape)


def around(distance: Volume, width: float) -> Volume:
    """Probability of being inside a surface that is uncertain by ``width`` mm."""
    return np.asarray(expit(np.clip(distance / width, -30, 30)), np.float32)


@dataclass
class VolumeErrors:
    """Spread of log volume around a point prediction, learned by time since baseline.

    A random walk: its variance grows with the days. ``spread`` is the standard deviation after
    100 days.
    """

    spread: float = 0.3
    quantiles: Samples = field(default_factory=lambda: np.linspace(-1, 1, 41))

    def fit(self, errors: Samples, elapsed: Samples) -> None:
        """Learn from log volume ratios (true over predicted) after ``elapsed`` days."""
        scaled = errors / np.sqrt(np.maximum(elapsed, 1) / 100)
        self.spread = float(np.sqrt(np.mean(scaled**2)))
        ordered = np.quantile(scaled - np.median(scaled), LEVELS)
        self.quantiles = ordered / max(self.spread, 1e-9)

    def samples(self, ml: float, elapsed: float) -> Samples:
        """Equally likely volumes around ``ml``."""
        width = self.spread * np.sqrt(max(elapsed, 1) / 100)
        return np.asarray(ml * np.exp(self.quantiles * width))

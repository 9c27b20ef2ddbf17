"""Interface of evolution models: their input, their forecast, and the registry of models.

A model forecasts the gross tumour volume on later days under a course of radiotherapy.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.special import expit, logit, stdtrit

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.core.treatment import Phase, Treatment, fraction_days, last_fraction

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Samples = NDArray[np.float64]

LEAST_ML = 1.0
"""Smallest volume in ml in logarithms; smaller volumes are not measurable on MRI."""
_LEAST_COVERED = 0.95
"""Least share of the tumour with a dose above 0 Gy."""
LEVELS = (np.arange(40) + 0.5) / 40
"""Probabilities of the 40 quantiles that represent a distribution of volumes."""
BAND = 0.9
"""Nominal coverage of the calibrated band of volumes."""
FEW_PATIENTS = 20
"""Number of patients below which quantiles of 5 and 95 % cannot be read off their errors."""


@dataclass(frozen=True, eq=False)
class EvolutionCase:
    """One patient on a cube of voxels around the tumour before radiotherapy.

    Args:
        pseudonym: pseudonym of the patient.
        centre: name of the centre.
        spacing: side length of a voxel in mm.
        day: day of the baseline, counted from the start of radiotherapy, or from the first image
            where that start is unknown.
        tumour: gross tumour volume (x, y, z) at baseline.
        images: z-scored T1C and FLAIR (x, y, z, 2); 0 for a missing sequence.
        white: white-matter fraction (x, y, z), 0 to 1.
        grey: grey-matter fraction (x, y, z), 0 to 1.
        dose: RBE-weighted dose (x, y, z) of the whole course in Gy; None: unknown.
        treatment: course of radiotherapy; None: unknown.
        history: days and tumour masks before the baseline, in ascending order, without a fraction
            of radiotherapy or an operation since; empty: none.
        later: days and tumour masks after the baseline.
        methylated: MGMT promoter methylation: 1, 0, or NaN where unknown.
        phase_doses: RBE-weighted dose (phase, x, y, z) of each phase in Gy; None: all phases have
            the shape of ``dose``.

    Raises:
        BadInput: the mask of the baseline is empty, or a day is out of order.
    """

    pseudonym: str
    centre: str
    spacing: float
    day: int
    tumour: Mask
    images: Volume
    white: Volume
    grey: Volume
    dose: Volume | None
    treatment: Treatment | None
    history: tuple[tuple[int, Mask], ...] = ()
    later: tuple[tuple[int, Mask], ...] = ()
    methylated: float = float("nan")
    phase_doses: Volume | None = None

    def __post_init__(self) -> None:
        if not self.tumour.any():
            raise BadInput(f"{self.pseudonym}: no tumour mask to start from")
        if any(day >= self.day for day, _ in self.history):
            raise BadInput(f"{self.pseudonym}: an earlier image is not before the baseline")
        if any(day <= self.day for day, _ in self.later):
            raise BadInput(f"{self.pseudonym}: a follow-up lies before the baseline")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Phases of the course; none where it is unknown."""
        return self.treatment.phases if self.treatment else ()

    @property
    def is_ahead(self) -> bool:
        """Whether a fraction of the known course is given on the day of the baseline or later."""
        return any(fraction_days(phase)[-1] >= self.day for phase in self.phases)

    @property
    def earlier(self) -> tuple[int, Mask] | None:
        """Day and tumour mask of the last image before the baseline; None without one."""
        return self.history[-1] if self.history else None

    @property
    def untold_dose(self) -> str:
        """What a model that reads the dose of a course to come lacks, in words; empty: nothing."""
        if not self.is_ahead:
            return ""
        if self.dose is None:
            return "no dose: add the RT Dose of the plan"
        covered = float((self.dose[self.tumour] > 0).mean())
        if covered < _LEAST_COVERED:
            return (
                f"a dose grid that covers {covered:.0%} of the tumour: give the dose of the whole "
                "course, on a grid around all of it"
            )
        return ""

    def afterwards(self) -> "EvolutionCase | None":
        """Return the patient from the first mask after the course on; None if no other follows.

        Images, dose and tissue stay those of the baseline: this is for models of masks and days.
        """
        end = last_fraction(self.treatment) if self.treatment else self.day
        drawn = [(day, mask) for day, mask in self.later if day > end]
        if len(drawn) < 2 or not drawn[0][1].any():
            return None
        (day, mask), *later = drawn
        return replace(self, day=day, tumour=mask, history=(), later=tuple(later))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return self.spacing**3 / 1000

    def ml(self, mask: Mask) -> float:
        """Compute the volume of a mask.

        Args:
            mask: mask (x, y, z).

        Returns:
            Volume in ml.
        """
        return float(np.count_nonzero(mask)) * self.voxel_ml

    def log_ml(self, mask: Mask) -> float:
        """Compute the natural logarithm of a mask's volume.

        Args:
            mask: mask (x, y, z).

        Returns:
            Log of the volume in ml, at least log(LEAST_ML).
        """
        return float(np.log(max(self.ml(mask), LEAST_ML)))


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecast distribution of the tumour on one day.

    Args:
        day: day from the start of radiotherapy.
        probability: probability (x, y, z) that a voxel is tumour.
        volumes: equally likely volumes (s,) in ml.
        endless: whether too few patients calibrated the band below, and above, for it to have an
            end.

    Example:
        >>> probability = np.array([0.2, 0.5], np.float32).reshape(2, 1, 1)
        >>> forecast = Forecast(90, probability, np.arange(11.0))
        >>> forecast.mask.ravel().tolist(), forecast.interval(0.5)
        ([False, True], (2.5, 7.5))
    """

    day: int
    probability: Volume
    volumes: Samples
    endless: tuple[bool, bool] = (False, False)

    @property
    def mask(self) -> Mask:
        """Mask (x, y, z) of the voxels with a probability of at least one half."""
        return np.asarray(self.probability >= 0.5)

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the central interval of the volume.

        Args:
            level: probability of the interval, such as 0.9.

        Returns:
            Lower and upper limit in ml: 0 and infinity on a side without an end, for levels of
            the calibrated band and above.
        """
        low, high = np.quantile(self.volumes, [0.5 - level / 2, 0.5 + level / 2])
        if level < BAND:
            return float(low), float(high)
        below, above = self.endless
        return 0.0 if below else float(low), float("inf") if above else float(high)


def agreeing(forecast: Forecast, voxel_ml: float) -> Forecast:
    """Shift the voxel probability so that the mask at one half has the median volume.

    Args:
        forecast: forecast of one day.
        voxel_ml: volume of a voxel in ml.

    Returns:
        The forecast; the order of the voxels stays.

    Example:
        >>> probability = np.array([0.1, 0.2, 0.3], np.float32).reshape(3, 1, 1)
        >>> forecast = Forecast(90, probability, volumes=np.array([2.0, 2.0]))
        >>> agreeing(forecast, voxel_ml=1.0).mask.ravel().tolist()
        [False, True, True]
    """
    p = np.clip(forecast.probability.astype(np.float64), 1e-6, 1 - 1e-6)
    voxels = round(float(np.median(forecast.volumes)) / voxel_ml)
    falling = np.sort(p.ravel())[::-1]
    if 0 < voxels < falling.size:
        level = float(falling[voxels - 1] + falling[voxels]) / 2
    else:
        level = 1e-6 if voxels else 1 - 1e-6
    shifted = expit(logit(p) - logit(level)).ravel()
    inside = largest(p, voxels).ravel()
    shifted = np.where(inside, np.maximum(shifted, 0.5001), np.minimum(shifted, 0.4999))
    return replace(forecast, probability=shifted.reshape(p.shape).astype(np.float32))


class EvolutionModel(Protocol):
    """Model that is trained on cases with later masks and forecasts any case."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Train on the cases of one or several centres.

        Args:
            cases: cases with later masks.
        """

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """Forecast the tumour under the treatment of the case.

        Args:
            case: patient with the treatment to forecast.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            One forecast for each day.
        """


EVOLUTION_MODELS: Registry[Callable[..., EvolutionModel]] = Registry("evolution model")
"""Factories of evolution models by name."""


def volumes_of(probability: Volume, spacing: float) -> Samples:
    """Compute equally likely volumes of nested masks from the probability of each voxel.

    Each mask is the set of voxels above a level, and all levels are equally likely. A voxel within
    0.01 of a level counts in part, so that small differences of probability are not lost.

    Args:
        probability: probability (x, y, z) that a voxel is tumour.
        spacing: side length of a voxel in mm.

    Returns:
        Volumes (40,) in ml, one for each of LEVELS.

    Example:
        >>> np.unique(volumes_of(np.ones((2, 1, 1), np.float32), spacing=10.0)).tolist()
        [2.0]
    """
    possible = probability[probability > 0.002].astype(np.float64)
    inside = np.clip((possible - (1 - LEVELS)[:, None]) / 0.02 + 0.5, 0, 1)
    return np.asarray(inside.sum(axis=1) * spacing**3 / 1000)


def soft_voxels(values: Volume) -> float:
    """Count the voxels above one half; values from 0.35 to 0.65 count in part.

    The range is about the step from one voxel to the next across a contour, so that differences of
    less than a voxel are not lost.

    Args:
        values: density or probability of each voxel, of any shape.

    Returns:
        Number of voxels.

    Example:
        >>> round(soft_voxels(np.array([0.2, 0.5, 0.9], np.float32)), 3)
        1.5
    """
    return float(np.clip((values - 0.35) / 0.3, 0, 1).sum(dtype=np.float64))


def ball_radius(ml: float) -> float:
    """Compute the radius of a ball of given volume: (3 V / (4 pi))^(1/3).

    Args:
        ml: volume V in ml.

    Returns:
        Radius in mm.

    Example:
        >>> round(ball_radius(4.18879), 3)
        10.0
    """
    return float((3000 * ml / (4 * np.pi)) ** (1 / 3))


def signed_distance(mask: Mask, spacing: float) -> Volume:
    """Compute the distance of each voxel centre to the surface of a mask, positive inside.

    Args:
        mask: mask (x, y, z).
        spacing: side length of a voxel in mm.

    Returns:
        Distance (x, y, z) in mm; minus infinity everywhere for an empty mask.

    Example:
        >>> mask = np.array([False, True, True, True, False]).reshape(5, 1, 1)
        >>> signed_distance(mask, spacing=2.0).ravel().tolist()
        [-1.0, 1.0, 3.0, 1.0, -1.0]
    """
    if not mask.any():
        return np.full(mask.shape, -np.inf, np.float32)
    inside = distance_transform_edt(mask) - distance_transform_edt(~mask)
    return np.asarray((inside - 0.5 * np.sign(inside)) * spacing, np.float32)


def matched(mask: Mask, spacing: float, ml: float) -> Mask:
    """Grow or shrink a mask evenly at its surface until it has a given volume.

    Args:
        mask: mask (x, y, z).
        spacing: side length of a voxel in mm.
        ml: volume in ml; it is rounded to whole voxels.

    Returns:
        Mask (x, y, z); empty if the volume rounds to 0 or the input mask is empty.

    Example:
        >>> mask = np.array([False, False, True, False, False]).reshape(5, 1, 1)
        >>> matched(mask, spacing=10.0, ml=3.0).ravel().tolist()
        [False, True, True, True, False]
    """
    voxels = min(round(ml * 1000 / spacing**3), mask.size)
    if voxels < 1 or not mask.any():
        return np.zeros(mask.shape, bool)
    # Voxels at the same distance are ordered by the amount of tumour around them.
    order = signed_distance(mask, spacing) + gaussian_filter(mask.astype(np.float32), 1.5)
    resized = np.zeros(mask.size, bool)
    resized[np.argpartition(order.ravel(), -voxels)[-voxels:]] = True
    return resized.reshape(mask.shape)


def largest(values: NDArray[Any], count: int) -> Mask:
    """Select the voxels with the largest values; of equal ones, the first in order.

    Args:
        values: values (x, y, z).
        count: number of voxels.

    Returns:
        Mask (x, y, z).

    Example:
        >>> largest(np.array([0.2, 0.5, 0.5]), 1).tolist()
        [False, True, False]
    """
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    return chosen.reshape(values.shape)


def around(distance: Volume, width: float) -> Volume:
    """Compute the probability of being inside an uncertain surface.

    It is 1 / (1 + exp(-distance / width)).

    Args:
        distance: signed distance to the surface in mm, positive inside, of any shape.
        width: scale of the logistic distribution in mm.

    Returns:
        Probability, of the shape of ``distance``.

    Example:
        >>> float(around(np.zeros(1, np.float32), width=1.0)[0])
        0.5
    """
    return np.asarray(expit(np.clip(distance / width, -30, 30)), np.float32)


def resized(case: EvolutionCase, day: int, ml: float, volumes: Samples, sd_mm: float) -> Forecast:
    """Forecast the last mask, grown or shrunk evenly to a volume, with an uncertain surface.

    Args:
        case: patient.
        day: day of the forecast.
        ml: volume of the mask in ml.
        volumes: equally likely volumes in ml.
        sd_mm: standard deviation of the place of the surface in mm.

    Returns:
        The forecast.
    """
    mask = matched(case.tumour, case.spacing, ml)
    # A logistic distribution has the scale sd sqrt(3) / pi, where sqrt(3) / pi = 0.55.
    width = max(sd_mm * 0.55, 0.5)
    return Forecast(day, around(signed_distance(mask, case.spacing), width), volumes)


@dataclass
class VolumeErrors:
    """Distribution of the error of a predicted log volume, learned from other patients.

    The error is a random walk: its variance grows linearly with the days since baseline. Of fewer
    than FEW_PATIENTS it is Student's t, whose interval holds a new patient as often as it says also
    where few patients tell the variance; of more it has the quantiles of the size of their errors.

    Args:
        spread: standard deviation of log volume after 100 days.
        quantiles: quantiles (q,) of the error, in units of ``spread``.

    Example:
        >>> VolumeErrors(0.3, np.array([-1.0, 0.0, 1.0])).samples(10.0, elapsed=100).round(2)
        array([ 7.41, 10.  , 13.5 ])
    """

    spread: float = 0.3
    quantiles: Samples = field(default_factory=lambda: np.linspace(-1, 1, 41))

    def fit(self, errors: Samples, elapsed: Samples, patients: int) -> None:
        """Estimate the distribution from errors of predictions.

        Args:
            errors: log ratios (n,) of true to predicted volume.
            elapsed: days (n,) from baseline to each prediction.
            patients: number of patients that the errors are of.
        """
        scaled = errors / np.sqrt(np.maximum(elapsed, 1) / 100)
        self.spread = float(np.sqrt(np.mean(scaled**2)))
        if patients < FEW_PATIENTS:
            self.quantiles = stdtrit(max(patients, 1), LEVELS) * np.sqrt(1 + 1 / patients)
            return
        # Symmetric, so that the median stays that of the model and a bias widens the band.
        sizes = np.quantile(np.abs(scaled), np.abs(2 * LEVELS - 1))
        self.quantiles = np.sign(LEVELS - 0.5) * sizes / max(self.spread, 1e-9)

    def samples(self, ml: float, elapsed: float) -> Samples:
        """Compute equally likely volumes: ml exp(spread q sqrt(elapsed / 100)) for each quantile q.

        Args:
            ml: predicted volume in ml.
            elapsed: days since baseline.

        Returns:
            Volumes (q,) in ml.
        """
        width = self.spread * np.sqrt(max(elapsed, 1) / 100)
        return np.asarray(ml * np.exp(self.quantiles * width))

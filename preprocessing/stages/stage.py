"""Stages of preprocessing: each estimates something from a day and applies it to the day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.core.registry import Registry

Estimate = dict[str, NDArray[Any]]
"""Estimate of a stage as named arrays, small enough to store: matrices, control points, a mask."""


def nothing(timepoint: Timepoint) -> Estimate:
    """Return the empty estimate of a stage that only applies its parameters."""
    return {}


class Place(IntEnum):
    """Place of a stage in the chain; stages of a later place get the result of earlier ones."""

    SCANNER = 1
    """Changes values on the scanner's own grids."""
    ALIGNED = 2
    """Moves the scans of a day onto one another; only affines change."""
    BRAIN = 3
    """Finds the brain."""
    PATIENT = 4
    """Moves a later day onto the reference day of its patient; only affines change."""
    TEMPLATE = 5
    """Turns everything like the template, at the patient's own size; only affines change."""
    GRID = 6
    """Resamples everything to the template's grid; far from the brain, scans become NaN."""
    INTENSITY = 7
    """Changes values on the template's grid."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of preprocessing: ``estimate`` is slow and cached, ``apply`` is quick.

    Neither changes its arguments.

    Args:
        name: unique name, which is written into the history of each scan.
        apply: makes the new day from the day and the estimate.
        place: place in the chain.
        estimate: makes named arrays from the day. It raises StageFailed if no estimate can be
            trusted.
        parameters: all that the result depends on besides the images.
        needs: names of the stages whose results the estimate is made from.
    """

    name: str
    apply: Callable[[Timepoint, Estimate], Timepoint]
    place: Place
    estimate: Callable[[Timepoint], Estimate] = nothing
    parameters: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def has_estimate(self) -> bool:
        """Whether the stage makes an estimate that is worth storing."""
        return self.estimate is not nothing

    def __call__(self, timepoint: Timepoint) -> Timepoint:
        """Make the estimate of a day, apply it, and return the new day."""
        return self.apply(timepoint, self.estimate(timepoint))


STAGES: Registry[Callable[..., Stage]] = Registry("preprocessing stage")
"""Factories of stages by name; each takes the parameters and returns the stage."""


T1_WEIGHTED = (Sequence.T1C, Sequence.T1)
"""Sequences that show anatomy as the template does."""
REFERENCE_ORDER = (*T1_WEIGHTED, Sequence.FLAIR, Sequence.T2)
"""Sequences in the order in which they serve as the reference scan of a day."""


def reference(timepoint: Timepoint) -> Scan:
    """Choose the reference scan, to which the others are aligned.

    Args:
        timepoint: day with scans.

    Returns:
        T1C if the day has one, else T1, FLAIR or T2.

    Raises:
        StageFailed: the day has no scan.
    """
    for sequence in REFERENCE_ORDER:
        if sequence in timepoint.scans:
            return timepoint.scans[sequence]
    raise StageFailed("the day has no scan; add a series or exclude the day")


def shared_sequence(a: Timepoint, b: Timepoint) -> Sequence | None:
    """Choose the sequence by which two days are compared.

    Args:
        a: day with scans.
        b: other day.

    Returns:
        First sequence of ``REFERENCE_ORDER`` that both days have; None if there is none.
    """
    return next((s for s in REFERENCE_ORDER if s in a.scans and s in b.scans), None)


def moved(timepoint: Timepoint, stage: str, matrix: NDArray[np.float64]) -> Timepoint:
    """Move the scans and the brain mask of a day.

    Args:
        timepoint: day.
        stage: name that is added to the history of each scan.
        matrix: RAS+ matrix (4, 4) in mm from the world of the day to the new one.

    Returns:
        Day with other affines.
    """
    scans = {s: v.after(stage, affine=matrix @ v.affine) for s, v in timepoint.scans.items()}
    brain = timepoint.brain and replace(timepoint.brain, affine=matrix @ timepoint.brain.affine)
    return replace(timepoint, scans=scans, brain=brain)


def brain_of(timepoint: Timepoint, stage: str) -> NDArray[np.bool_]:
    """Return the brain mask of a day as booleans.

    Args:
        timepoint: day.
        stage: name of the stage that needs the mask, for the error message.

    Returns:
        Mask (x, y, z).

    Raises:
        StageFailed: the day has no brain mask.
    """
    if timepoint.brain is None:
        raise StageFailed(f"{stage} needs the brain mask: run brain_extraction first")
    return timepoint.brain.voxels > 0

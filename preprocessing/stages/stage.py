"""What a stage is: an estimate from a Timepoint, and its application to that Timepoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.core.registry import Registry

Estimate = dict[str, NDArray[Any]]
"""What a stage found, as named arrays small enough to keep: matrices, control points, a mask."""


def nothing(timepoint: Timepoint) -> Estimate:
    """Estimate of a stage that only applies its parameters."""
    return {}


class Place(IntEnum):
    """Where a stage stands in the chain; a later place sees what an earlier one made."""

    SCANNER = 1
    """Changes values on the scanner's own grids."""
    ALIGNED = 2
    """Moves the scans of a day onto one another; only affines change."""
    BRAIN = 3
    """Finds the brain."""
    TEMPLATE = 4
    """Moves everything into the world of the template; only affines change."""
    GRID = 5
    """Resamples everything to the template's grid."""
    INTENSITY = 6
    """Changes values on the template's grid."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of preprocessing: ``estimate`` is slow and cached, ``apply`` is quick.

    Neither changes its arguments.

    Args:
        name: unique name, which is written into the history of each scan.
        apply: makes the new day from the day and the estimate.
        place: where the stage stands.
        estimate: makes named arrays from the day. It raises StageFailed where nothing can be
            trusted.
        parameters: all that the result depends on beside the images.
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
        """Whether there is an estimate worth keeping."""
        return self.estimate is not nothing

    def __call__(self, timepoint: Timepoint) -> Timepoint:
        """Estimate and apply."""
        return self.apply(timepoint, self.estimate(timepoint))


STAGES: Registry[Callable[..., Stage]] = Registry("preprocessing stage")
"""Factories of image stages by name: parameters in, stage out."""


def reference(timepoint: Timepoint) -> Scan:
    """The scan the others are aligned to: T1C where there is one, else T1."""
    for sequence in (Sequence.T1C, Sequence.T1):
        if sequence in timepoint.scans:
            return timepoint.scans[sequence]
    raise StageFailed(
        f"only {', '.join(timepoint.scans) or 'nothing'} here: T1 or T1C is needed to find the "
        "brain; add the series or exclude the day"
    )


def brain_of(timepoint: Timepoint, stage: str) -> NDArray[np.bool_]:
    """The brain mask, which ``stage`` needs; StageFailed where there is none."""
    if timepoint.brain is None:
        raise StageFailed(f"{stage} needs the brain mask: run brain_extraction first")
    return timepoint.brain.voxels > 0

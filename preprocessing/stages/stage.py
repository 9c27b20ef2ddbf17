"""What a stage is: an estimate from a Timepoint, and its application to that Timepoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, eq=False)
class Stage:
    """``estimate`` is the slow part and is cached; ``apply`` is quick and done every time.

    Neither changes its arguments. ``estimate`` raises StageFailed where nothing can be trusted.
    ``parameters`` are all that the result depends on beside the images.
    """

    name: str
    apply: Callable[[Timepoint, Estimate], Timepoint]
    estimate: Callable[[Timepoint], Estimate] = nothing
    parameters: Mapping[str, object] = field(default_factory=dict)

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

"""Rigid registration of a day to the reference day of its patient."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.preprocessing.stages.linear_registration import Matrix
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import (
    STAGES,
    Estimate,
    Place,
    Stage,
    moved,
    nothing,
    reference,
    shared_sequence,
)


@dataclass(frozen=True, eq=False)
class ReferenceDay:
    """Day to which the other days of its patient are registered.

    Args:
        session: session without its BIDS prefix.
        key: content key of all that the day was made from.
        load: returns the day with its brain mask in its own world, and its estimate of the atlas
            registration. It is called only if an estimate needs it.
    """

    session: str
    key: str
    load: Callable[[], tuple[Timepoint, Estimate]]


@STAGES.register("patient_registration")
def patient_registration(day: ReferenceDay | None = None, method: str = "flame") -> Stage:
    """Build the stage that moves a later day onto the reference day of its patient.

    A rigid movement joins two heads of one person exactly, where two affine fits to a template
    differ. Both days share the reference day's fit afterwards. Only affines change.

    Args:
        day: reference day; None: the day is the reference day itself and does not move.
        method: name in REGISTRATIONS.

    Returns:
        Stage whose estimate is the RAS+ matrix (4, 4) in mm from the day's world to that of the
        reference day; for the reference day itself it has none.

    Raises:
        BadInput: the method is unknown.
    """
    REGISTRATIONS[method]  # raises BadInput

    def estimate(timepoint: Timepoint) -> Estimate:
        assert day is not None
        target, _ = day.load()
        return {"matrix": to_reference_day(target, timepoint, method)}

    def apply(timepoint: Timepoint, arrays: Estimate) -> Timepoint:
        return moved(timepoint, "patient_registration", arrays.get("matrix", np.eye(4)))

    parameters = {"method": method, "reference_day": day.key if day else ""}
    needs = ("bias_field", "coregistration")
    made = estimate if day else nothing
    return Stage("patient_registration", apply, Place.PATIENT, made, parameters, needs)


def to_reference_day(target: Timepoint, timepoint: Timepoint, method: str = "flame") -> Matrix:
    """Register a day rigidly to the reference day of its patient.

    Args:
        target: reference day.
        timepoint: other day.
        method: name in REGISTRATIONS.

    Returns:
        RAS+ matrix (4, 4) in mm from the world of the day to that of the reference day.

    Raises:
        StageFailed: the images do not overlap.
    """
    fixed, moving = _pair(target, timepoint)
    return REGISTRATIONS[method](fixed.voxels, fixed.affine, moving.voxels, moving.affine, "rigid")


def _pair(target: Timepoint, timepoint: Timepoint) -> tuple[Scan, Scan]:
    """Return the scans of two days that are compared: of one sequence, if both days have one."""
    sequence = shared_sequence(target, timepoint)
    if sequence is None:
        return reference(target), reference(timepoint)
    return target.scans[sequence], timepoint.scans[sequence]

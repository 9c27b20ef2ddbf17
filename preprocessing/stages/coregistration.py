"""Rigid co-registration of a day's sequences, whose headers can disagree by centimetres."""

from dataclasses import replace

from flame.core.cohort import Timepoint
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import STAGES, Estimate, Place, Stage, reference


@STAGES.register("coregistration")
def coregistration(method: str = "flame") -> Stage:
    """Return a stage that moves every scan onto the reference (T1C, else T1).

    Only affines change; ``resampling`` interpolates each scan once, at the end. The estimate is a
    RAS+ matrix (4, 4) in mm for each sequence.

    Args:
        method: name in REGISTRATIONS.

    Raises:
        BadInput: the method is unknown.
    """
    register = REGISTRATIONS[method]

    def estimate(timepoint: Timepoint) -> Estimate:
        fixed = reference(timepoint)
        return {
            str(s): register(fixed.voxels, fixed.affine, v.voxels, v.affine, "rigid")
            for s, v in timepoint.scans.items()
            if v is not fixed
        }

    def apply(timepoint: Timepoint, found: Estimate) -> Timepoint:
        scans = {
            s: v.after(
                "coregistration", affine=found[str(s)] @ v.affine if str(s) in found else v.affine
            )
            for s, v in timepoint.scans.items()
        }
        return replace(timepoint, scans=scans)

    needs = ("bias_field",)
    return Stage("coregistration", apply, Place.ALIGNED, estimate, {"method": method}, needs)

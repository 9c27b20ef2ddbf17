"""Rigid co-registration of a day's sequences. Headers of one study can disagree by centimetres."""

from dataclasses import replace

from flame.core.cohort import Timepoint
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import STAGES, Estimate, Stage, reference


@STAGES.register("coregistration")
def coregistration(method: str = "flame") -> Stage:
    """Return a stage that moves every scan onto the reference (T1C, else T1).

    Only affines change; voxels are interpolated once, at the end, by ``resampling``. The estimate
    is a 4x4 RAS+ matrix in mm a sequence.
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

    return Stage("coregistration", apply, estimate, {"method": method})

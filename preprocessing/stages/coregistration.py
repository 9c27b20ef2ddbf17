"""Rigid co-registration of a day's sequences, whose headers can disagree by centimetres."""

from dataclasses import replace

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.preprocessing.stages.linear_registration import Matrix
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import STAGES, Estimate, Place, Stage, reference


@STAGES.register("coregistration")
def coregistration(method: str = "flame") -> Stage:
    """Build the stage that moves every scan onto the reference scan (T1C, else T1, FLAIR or T2).

    Only affines change; ``resampling`` interpolates each scan once, at the end.

    Args:
        method: name in REGISTRATIONS.

    Returns:
        Stage whose estimate is, for each sequence but the reference, the RAS+ matrix (4, 4) in mm
        to the world of the reference scan.

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

    def moved(scan: Scan, matrix: Matrix | None) -> Scan:
        affine = scan.affine if matrix is None else matrix @ scan.affine
        return scan.after("coregistration", affine=affine)

    def apply(timepoint: Timepoint, matrices: Estimate) -> Timepoint:
        scans = {s: moved(v, matrices.get(str(s))) for s, v in timepoint.scans.items()}
        return replace(timepoint, scans=scans)

    needs = ("bias_field",)
    return Stage("coregistration", apply, Place.ALIGNED, estimate, {"method": method}, needs)

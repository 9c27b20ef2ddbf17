"""Rigid co-registration of a day's sequences. Headers of one study can disagree by centimetres."""

from dataclasses import replace

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.preprocessing.linear_registration import register
from flame.preprocessing.stage import STAGES, Stage, reference, to_itk


@STAGES.register("coregistration")
def coregistration() -> Stage:
    """Return a stage that moves every scan onto the reference (T1C, else T1).

    Only affines change; voxels are interpolated once, at the end, by ``resampling``.
    """

    def stage(timepoint: Timepoint) -> Timepoint:
        fixed = reference(timepoint)
        image = to_itk(fixed.voxels, fixed.affine)

        def align(scan: Scan) -> Scan:
            if scan is fixed:
                return scan.after("coregistration")
            matrix = register(image, to_itk(scan.voxels, scan.affine), "rigid")
            return scan.after("coregistration", affine=matrix @ scan.affine)

        return replace(timepoint, scans={s: align(v) for s, v in timepoint.scans.items()})

    return stage

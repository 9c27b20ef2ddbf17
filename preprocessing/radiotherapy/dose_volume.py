"""Dose-volume figures of a region, from its contours and the dose on their own grids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import LabelMap
from flame.io.dicom.dose import PlanDose
from flame.preprocessing.stages.interpolation import resample, resample_labels

LEVELS_GY = (10, 20, 30, 40, 50, 60)
"""Doses in Gy for which the share of the volume that gets at least so much is told."""


@dataclass(frozen=True)
class DoseVolume:
    """Dose to a region.

    Args:
        region: name of the region.
        ml: volume in ml.
        d98: dose in Gy that 98 % of the volume get at least.
        d95: the same for 95 %.
        d50: the same for 50 %.
        d2: the same for 2 %.
        mean: mean dose in Gy.
        above: share of the volume that gets at least each dose of LEVELS_GY.
    """

    region: str
    ml: float
    d98: float
    d95: float
    d50: float
    d2: float
    mean: float
    above: tuple[float, ...]

    def row(self) -> dict[str, object]:
        """Return the figures by column of dvh.tsv: Gy, ml, and shares as V10 to V60."""
        gy = {"D98": self.d98, "D95": self.d95, "D50": self.d50, "D2": self.d2, "mean": self.mean}
        shares = {f"V{level}": f"{v:.4f}" for level, v in zip(LEVELS_GY, self.above, strict=True)}
        doses = {name: f"{value:.2f}" for name, value in gy.items()}
        return {"region": self.region, "ml": f"{self.ml:.2f}", **doses, **shares}


def dose_volume(region: str, masks: list[LabelMap], doses: list[PlanDose]) -> DoseVolume | None:
    """Compute the dose-volume figures of a region by trilinear interpolation of the dose.

    Args:
        region: name of the region.
        masks: masks of its parts, each on its own grid; voxels in several parts count in the first.
        doses: doses whose sum counts, in the same world.

    Returns:
        The figures; None without a dose, or if the region is empty.

    Reference:
        ICRU Report 83 (2010), doi:10.1093/jicru/10.1.Report83 (D98, D50 and D2).
    """
    if not doses:
        return None
    values = [_values(m, masks[:i], doses) for i, m in enumerate(masks)]
    sizes = [
        np.full(len(v), abs(float(np.linalg.det(m.affine[:3, :3]))) / 1000)
        for v, m in zip(values, masks, strict=True)
    ]
    if not sum(map(len, values)):
        return None
    dose = np.concatenate(values)
    ml = np.concatenate(sizes)
    order = np.argsort(-dose)
    covered = np.cumsum(ml[order])
    total = float(covered[-1])

    def at(share: float) -> float:
        first = int(np.searchsorted(covered, share * total))
        return float(dose[order][min(first, len(dose) - 1)])

    above = tuple(float(ml[dose >= level].sum()) / total for level in LEVELS_GY)
    mean = float((dose * ml).sum()) / total
    return DoseVolume(region, total, at(0.98), at(0.95), at(0.50), at(0.02), mean, above)


def _values(mask: LabelMap, counted: list[LabelMap], doses: list[PlanDose]) -> NDArray[np.float64]:
    """Return the dose in Gy at each voxel of a mask that is in none of the parts counted before.

    It is 0 beyond the grids of the doses.
    """
    total = np.zeros(mask.voxels.shape, np.float32)
    for dose in (part.dose for part in doses):
        total += resample(dose.voxels, dose.affine, mask.affine, mask.voxels.shape)
    inside = mask.voxels > 0
    for part in counted:
        inside &= resample_labels(part, mask.affine, mask.voxels.shape).voxels == 0
    return np.asarray(total[inside], float)

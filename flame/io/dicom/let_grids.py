"""Reads grids of linear energy transfer (LET) as one figure of each plan."""

from collections import defaultdict

import numpy as np
from pydicom.dataset import Dataset

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap
from flame.io.dicom.dose_grid import is_let, no_dose, read_grid
from flame.io.dicom.instances import Instance
from flame.io.dicom.treatment_records import plan_of

_TARGET_SHARE = 0.8
"""Share of the largest dose from which a voxel counts as target."""
_LARGEST = 500.0
"""Largest LET in keV/um that is possible; carbon ions reach about 300 at the end of their range."""


def mean_lets(instances: list[Instance], notes: list[str]) -> dict[str, float]:
    """Compute the mean LET of each plan in its target.

    The target are the voxels that get at least 80 % of the largest dose of the plan; each counts
    with its dose. Grids of dose-averaged LET share the grid of the dose.

    Args:
        instances: instances of one patient; only RT Doses of whole plans count.
        notes: takes a sentence for each LET grid that cannot be used.

    Returns:
        LET in keV/um by SOPInstanceUID of the plan.
    """
    lets, doses = defaultdict(list), defaultdict(list)
    for item in {i.key: i for i in instances if i.header.get("Modality") == "RTDOSE"}.values():
        if is_let(item.header):
            lets[plan_of(item.header)].append(item)
        elif not no_dose(item.header) and _whole_plan(item.header):
            doses[plan_of(item.header)].append(item)
    found = {}
    for plan, grids in lets.items():
        try:
            found[plan] = _mean_let(grids, doses.get(plan, []))
        except UnreadableImage as error:
            notes.append(f"grid of LET left out: {error.reason}")
    return found


def _whole_plan(header: Dataset) -> bool:
    return str(header.get("DoseSummationType")) == "PLAN"


def _mean_let(grids: list[Instance], doses: list[Instance]) -> float:
    """Return the mean LET of a plan; raise UnreadableImage without one grid of LET and of dose."""
    if len(grids) > 1:
        raise UnreadableImage(grids[1].path, "two grids of LET for one plan; keep one of them")
    if len(doses) != 1:
        raise UnreadableImage(grids[0].path, "its plan has not one dose of the whole plan")
    let, dose = (read_grid(i.path, i.header) for i in (grids[0], doses[0]))
    if not _same_grid(let, dose):
        raise UnreadableImage(grids[0].path, "it does not lie on the grid of the dose")
    weights = np.where(dose.voxels >= _TARGET_SHARE * dose.voxels.max(), dose.voxels, 0)
    total = float(weights.sum())
    mean = float((weights * let.voxels).sum() / total) if total > 0 else 0.0
    if not 0 < mean <= _LARGEST:
        raise UnreadableImage(grids[0].path, f"its mean in the target is {mean:g}, not in keV/um")
    return mean


def _same_grid(one: DoseMap, other: DoseMap) -> bool:
    return one.voxels.shape == other.voxels.shape and bool(np.allclose(one.affine, other.affine))

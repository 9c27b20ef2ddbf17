"""Brain extraction on the reference scan."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects, label

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed, UnreadableImage
from flame.core.files import content_hash
from flame.core.imaging import LabelMap, Scan
from flame.core.registry import Registry
from flame.preprocessing.stages.deepbet_brain import deepbet_brain
from flame.preprocessing.stages.hd_bet_brain import hd_bet_brain
from flame.preprocessing.stages.interpolation import labels_on_scan, resample_labels
from flame.preprocessing.stages.patient_registration import ReferenceDay, to_reference_day
from flame.preprocessing.stages.stage import (
    STAGES,
    T1_WEIGHTED,
    Estimate,
    Place,
    Stage,
    reference,
)

BRAIN_METHODS: Registry[Callable[[Scan], NDArray[np.bool_]]] = Registry("brain method")
"""Methods that return the brain (x, y, z) of a whole-head scan, by name."""
BRAIN_METHODS.register("deepbet")(deepbet_brain)
BRAIN_METHODS.register("hd-bet")(hd_bet_brain)
ONLY_T1 = ("deepbet",)
"""Methods that know T1 and T1C only."""

_EMPTY_BACKGROUND = 0.4
"""Share of voxels at the lowest value from which an image counts as skull-stripped."""
_BRAIN_ML = (700.0, 2200.0)
"""Range of volumes in ml that a skull-stripped brain can have."""


def stripped_brain(scan: Scan) -> NDArray[np.bool_] | None:
    """Find the brain of a scan that is skull-stripped already.

    A scan counts as skull-stripped if its largest connected object lies on a constant background
    and has the volume of a brain.

    Args:
        scan: scan with or without skull.

    Returns:
        Brain mask (x, y, z), or None for a whole head.
    """
    empty = scan.voxels == scan.voxels.min()
    if empty.mean() < _EMPTY_BACKGROUND:
        return None
    if empty.all():
        return None
    box = find_objects((~empty).view(np.int8))[0]
    objects, count = label(~empty[box])
    # Slice by slice, since bincount makes an 8-byte copy of what it counts.
    voxels = sum((np.bincount(part.ravel(), minlength=count + 1) for part in objects), np.zeros(1))
    inside = np.zeros(empty.shape, bool)
    inside[box] = binary_fill_holes(objects == voxels[1:].argmax() + 1)
    volume = LabelMap(inside.astype(np.uint8), scan.affine).volume
    return inside if _BRAIN_ML[0] < volume < _BRAIN_ML[1] else None


@STAGES.register("brain_extraction")
def brain_extraction(
    method: str = "deepbet",
    mask: str = "",
    day: ReferenceDay | None = None,
    registration: str = "flame",
) -> Stage:
    """Build the stage that finds the brain on the reference scan, without masking the scans.

    The mask of a skull-stripped scan follows from its background, without ``method``. A day without
    T1 and T1C takes over the brain of the reference day if ``method`` knows no other sequence.

    Args:
        method: name in BRAIN_METHODS.
        mask: NIfTI mask in the reference scan's world space, used instead of ``method``; empty:
            none.
        day: reference day of a patient, for a day without T1 and T1C; None: there is none.
        registration: name in REGISTRATIONS, for such a day.

    Returns:
        Stage whose estimate is the brain mask (x, y, z) on the reference scan's grid.

    Raises:
        BadInput: the method is unknown.
    """
    find_brain = BRAIN_METHODS[method]

    def estimate(timepoint: Timepoint) -> Estimate:
        scan = reference(timepoint)
        if mask:
            return {"brain": _supplied(Path(mask), scan)}
        inside = stripped_brain(scan)
        if inside is None and method in ONLY_T1 and scan.sequence not in T1_WEIGHTED:
            inside = _borrowed(day, timepoint, method, registration)
        elif inside is None:
            inside = find_brain(scan)
        if not inside.any():
            raise StageFailed("brain extraction found no brain in the image")
        return {"brain": inside.astype(np.uint8)}

    def apply(timepoint: Timepoint, arrays: Estimate) -> Timepoint:
        scans = {s: v.after("brain_extraction") for s, v in timepoint.scans.items()}
        brain = LabelMap(arrays["brain"], reference(timepoint).affine)
        return replace(timepoint, scans=scans, brain=brain)

    parameters = {"method": content_hash([Path(mask)]) if mask else method}
    if day is not None:
        parameters |= {"reference_day": day.key, "registration": registration}
    needs = ("bias_field", "coregistration") if day else ("bias_field",)
    return Stage("brain_extraction", apply, Place.BRAIN, estimate, parameters, needs)


def _borrowed(
    day: ReferenceDay | None, timepoint: Timepoint, method: str, registration: str
) -> NDArray[np.bool_]:
    """Return the brain of the reference day on the grid of another day's reference scan."""
    scan = reference(timepoint)
    if day is None:
        raise StageFailed(
            f"the day has only {', '.join(timepoint.scans)}, and {method} finds the brain on T1 "
            "and T1C: add such a series, give a mask with --masks, use brain=hd-bet, or exclude "
            "the day"
        )
    target, _ = day.load()
    assert target.brain is not None
    matrix = to_reference_day(target, timepoint, registration)
    return labels_on_scan(target.brain, matrix, scan).voxels > 0


def _supplied(path: Path, scan: Scan) -> NDArray[np.uint8]:
    """Read a supplied brain mask and resample it to the grid of a scan."""
    try:
        image = nib.load(path)
        voxels = np.squeeze(np.asarray(image.dataobj)) > 0.5
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise UnreadableImage(path, "the supplied mask is no readable NIfTI image") from error
    if voxels.ndim != 3:
        raise UnreadableImage(path, "the supplied mask is not one volume")
    labels = LabelMap(voxels.astype(np.uint8), np.asarray(image.affine, float))
    return resample_labels(labels, scan.affine, scan.voxels.shape).voxels

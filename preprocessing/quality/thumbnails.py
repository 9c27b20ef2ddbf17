"""Picture of a preprocessed day: three slices of each sequence with the outline of the brain."""

import io

import numpy as np
from nibabel.spaces import vox2out_vox
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion

from flame.core.cohort import Timepoint
from flame.preprocessing.stages.interpolation import resample, resample_labels
from flame.preprocessing.stages.stage import reference

_TILE = 150
"""Side of a tile in pixels."""
_MARGIN = 8
"""Voxels shown around the brain on each side."""
_OUTLINE = (255, 196, 0)
"""Colour (red, green, blue) of the brain's outline: yellow."""
_TARGET = (255, 64, 64)
"""Colour (red, green, blue) of the tumour's outline: red."""

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def picture(timepoint: Timepoint) -> bytes:
    """Draw three slices of each sequence, with the outlines of the brain and the tumour.

    The scans are not masked, so that cut-off parts are visible. Slices pass through the middle of
    the tumour, or through the middle of the brain if the day has no tumour mask.

    Args:
        timepoint: day with a brain mask, with all images on one grid.

    Returns:
        JPEG with axial, coronal and sagittal rows and one column per sequence, in alphabetical
        order: FLAIR, T1, T1C, T2. The brain is outlined in yellow and the tumour in red.
    """
    assert timepoint.brain is not None
    brain = timepoint.brain.voxels > 0
    target = timepoint.tumour.voxels > 0 if timepoint.tumour is not None else None
    inside = np.argwhere(brain)
    box = tuple(
        slice(max(0, a - _MARGIN), b + _MARGIN)
        for a, b in zip(inside.min(0), inside.max(0), strict=True)
    )
    shown = target if target is not None and target.any() else brain
    middle = np.argwhere(shown[box]).mean(axis=0).astype(int)
    masks = [
        (m[box], shade) for m, shade in ((brain, _OUTLINE), (target, _TARGET)) if m is not None
    ]
    columns = []
    for _, scan in sorted(timepoint.scans.items(), key=lambda item: str(item[0])):
        grey = _grey(scan.voxels[box], masks[0][0])
        columns.append(np.vstack([_slice(grey, masks, axis, middle[axis]) for axis in (2, 1, 0)]))
    stream = io.BytesIO()
    Image.fromarray(np.hstack(columns)).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def upright(timepoint: Timepoint) -> Timepoint:
    """Resample the reference scan and the brain mask to a 1.5 mm grid along the world's axes.

    Args:
        timepoint: day with a brain mask.

    Returns:
        Day with the reference scan and the brain mask only.
    """
    scan = reference(timepoint)
    brain = timepoint.brain
    assert brain is not None
    shape, affine = vox2out_vox((scan.voxels.shape, scan.affine), (1.5, 1.5, 1.5))
    moved = scan.after("upright", resample(scan.voxels, scan.affine, affine, shape), affine)
    return Timepoint(timepoint.day, {scan.sequence: moved}, resample_labels(brain, affine, shape))


def _grey(voxels: NDArray[np.float32], brain: Mask) -> NDArray[np.float32]:
    """Scale intensities to 0 to 255, from the 1st to the 99.5th percentile of the brain."""
    voxels = np.nan_to_num(voxels)
    low, high = np.quantile(voxels[brain], (0.01, 0.995))
    scaled = np.clip((voxels - low) / max(float(high - low), 1e-9), 0, 1) * 255
    return np.asarray(scaled, np.float32)


def _slice(
    grey: NDArray[np.float32], masks: list[tuple[Mask, tuple[int, int, int]]], axis: int, index: int
) -> Pixels:
    """Return one slice as a square tile, with feet or the back of the head at the bottom."""
    plane = np.take(grey, index, axis=axis)
    colour = np.repeat(plane[..., None], 3, axis=-1).astype(np.uint8)
    for mask, shade in masks:
        cut = np.take(mask, index, axis=axis)
        colour[cut & ~binary_erosion(cut)] = shade
    upright = Image.fromarray(np.ascontiguousarray(colour.transpose(1, 0, 2)[::-1]))
    scale = _TILE / max(upright.size)
    upright = upright.resize((round(upright.width * scale), round(upright.height * scale)))
    tile = Image.new("RGB", (_TILE, _TILE))
    tile.paste(upright, ((_TILE - upright.width) // 2, (_TILE - upright.height) // 2))
    return np.asarray(tile)

"""Picture of a preprocessed day: three slices of each sequence with outlines."""

import io
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spaces import vox2out_vox
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from flame.core.cohort import Timepoint
from flame.io.dicom.region_names import CTV, PTV
from flame.io.tumour_masks import ENHANCING, WHOLE
from flame.preprocessing.stages.interpolation import resample, resample_labels
from flame.preprocessing.stages.stage import reference

_TILE = 150
"""Side of a tile in pixels."""
_HEADING = 18
"""Height of the line with the names of the sequences, in pixels."""
_FONT = 13
"""Size of letters in pixels."""
_MARGIN = 8
"""Voxels shown around the brain on each side."""
BRAIN = (255, 196, 0)
"""Colour (red, green, blue) of the brain's outline: yellow."""
TUMOUR = (255, 64, 64)
"""Colour of the tumour's outline: red."""
REGIONS = {
    WHOLE: (96, 220, 96),
    ENHANCING: (255, 150, 220),
    CTV: (255, 140, 40),
    PTV: (190, 130, 255),
}
"""Colours of the outlines of regions: green, pink, orange and violet."""
DOSES = {0.9: (80, 160, 255), 0.5: (120, 235, 255)}
"""Colours of the lines of equal dose, by their share of the largest dose: blue and cyan."""
OUTLINES = (
    ("brain", BRAIN),
    ("tumour", TUMOUR),
    ("whole abnormality", REGIONS[WHOLE]),
    ("enhancing part", REGIONS[ENHANCING]),
    ("clinical target volume", REGIONS[CTV]),
    ("planning target volume", REGIONS[PTV]),
    *((f"{level:.0%} of the largest dose", colour) for level, colour in DOSES.items()),
)
"""Names and colours of the outlines, for a legend."""
_SIDES = (("A", "P"), ("R", "L"), ("R", "L"))
"""Letters at the left and right edge of a slice across x, y and z: as radiologists hang films."""

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Outline:
    """Region (x, y, z) whose edge is drawn, and its colour."""

    inside: Mask
    colour: Colour


def picture(timepoint: Timepoint) -> bytes:
    """Draw three slices of each sequence, with the outlines of brain, tumour and dose.

    The scans are not masked, so that cut-off parts are visible. Slices pass through the middle of
    the tumour, or through the middle of the brain if the picture shows no tumour. The patient's
    right is on the left, as letters at the edges say.

    Args:
        timepoint: day with a brain mask, with all images on one grid.

    Returns:
        JPEG with axial, coronal and sagittal rows and one column per sequence, in alphabetical
        order: FLAIR, T1, T1C, T2. The brain is outlined in yellow, the tumour in red, the whole
        abnormality in green, the enhancing part in pink, the clinical and planning target volumes
        in orange and violet, and 90 % and 50 % of the largest dose in blue and cyan.
    """
    assert timepoint.brain is not None
    affine = timepoint.brain.affine
    brain = _hung(timepoint.brain.voxels > 0, affine)
    inside = np.argwhere(brain)
    box = tuple(
        slice(max(0, a - _MARGIN), b + _MARGIN)
        for a, b in zip(inside.min(0), inside.max(0), strict=True)
    )
    outlines = [_Outline(o.inside[box], o.colour) for o in _outlines(timepoint, brain)]
    shown = brain[box]
    if timepoint.tumour is not None:
        target = _hung(timepoint.tumour.voxels, affine)[box]
        shown = target if target.any() else shown
    middle = np.argwhere(shown).mean(axis=0).astype(int)
    columns = []
    for sequence, scan in sorted(timepoint.scans.items(), key=lambda item: str(item[0])):
        grey = _grey(_hung(scan.voxels, affine)[box], brain[box])
        tiles = [_slice(grey, outlines, axis, middle[axis]) for axis in (2, 1, 0)]
        columns.append(np.vstack([_heading(str(sequence)), *tiles]))
    stream = io.BytesIO()
    Image.fromarray(np.hstack(columns)).save(stream, "JPEG", quality=80, subsampling=0)
    return stream.getvalue()


def _outlines(timepoint: Timepoint, brain: Mask) -> list[_Outline]:
    """Return what is outlined, the last on top."""
    affine = timepoint.brain.affine if timepoint.brain else np.eye(4)
    outlines = [_Outline(brain, BRAIN)]
    dose = timepoint.dose
    if dose is not None and dose.voxels.max() > 0:
        share = _hung(dose.voxels, affine) / float(dose.voxels.max())
        outlines += [_Outline(share >= level, colour) for level, colour in DOSES.items()]
    outlines += [
        _Outline(_hung(mask.voxels, affine) > 0, REGIONS[name])
        for name, mask in timepoint.regions.items()
        if name in REGIONS
    ]
    if timepoint.tumour is not None:
        outlines.append(_Outline(_hung(timepoint.tumour.voxels, affine) > 0, TUMOUR))
    return outlines


def _hung(voxels: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """Return voxels with axes towards the patient's right, front and head."""
    return np.asarray(nib.apply_orientation(voxels, nib.io_orientation(affine)))


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


def _heading(text: str) -> Pixels:
    """Return the line above a column."""
    line = Image.new("RGB", (_TILE, _HEADING))
    draw = ImageDraw.Draw(line)
    draw.text((_TILE // 2, _HEADING // 2), text, "white", ImageFont.load_default(_FONT), "mm")
    return np.asarray(line)


def _slice(grey: NDArray[np.float32], outlines: list[_Outline], axis: int, index: int) -> Pixels:
    """Return one slice as a square tile, with feet or the back of the head at the bottom."""
    plane = np.take(grey, index, axis=axis)
    colour = np.repeat(plane[..., None], 3, axis=-1).astype(np.uint8)
    for outline in outlines:
        cut = np.take(outline.inside, index, axis=axis)
        colour[cut & ~binary_erosion(cut)] = outline.colour
    upright = Image.fromarray(np.ascontiguousarray(colour.transpose(1, 0, 2)[::-1, ::-1]))
    scale = _TILE / max(upright.size)
    upright = upright.resize((round(upright.width * scale), round(upright.height * scale)))
    tile = Image.new("RGB", (_TILE, _TILE))
    tile.paste(upright, ((_TILE - upright.width) // 2, (_TILE - upright.height) // 2))
    draw = ImageDraw.Draw(tile)
    font = ImageFont.load_default(_FONT)
    left, right = _SIDES[axis]
    draw.text((3, _TILE // 2), left, "white", font, "lm")
    draw.text((_TILE - 3, _TILE // 2), right, "white", font, "rm")
    return np.asarray(tile)

"""Radiotherapy planned on a scan of the day: dose and gross tumour volume on the final grid."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap, LabelMap, Sequence
from flame.io.dose import read_dose
from flame.io.segmentations import read_segments
from flame.io.structures import read_region, regions
from flame.preprocessing.interpolation import resample, resample_labels

_OEDEMA = 2
_GROSS_TUMOUR = re.compile(r"^\s*gtv", re.I)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Planned:
    """RT Dose, RT Structure Set and SEG files in the frame of reference of one of the scans.

    ``plans`` are the treated plans, SOPInstanceUID to beam numbers; ``notes`` say what else there
    is and is not used. ``tumour`` is a NIfTI mask in the world of the scan ``drawn_on``; it goes
    before contours.
    """

    frame_of_reference: str = ""
    sequence: Sequence | None = None
    doses: tuple[Path, ...] = ()
    structures: tuple[Path, ...] = ()
    segmentations: tuple[Path, ...] = ()
    plans: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    tumour: Path | None = None
    drawn_on: Sequence | None = None

    @property
    def paths(self) -> list[Path]:
        """All files."""
        given = [self.tumour] if self.tumour else []
        return [*self.doses, *self.structures, *self.segmentations, *given]


def planned_maps(
    planned: Planned, moves: Mapping[Sequence, Matrix], affine: Matrix, shape: tuple[int, ...]
) -> tuple[LabelMap | None, DoseMap | None, list[str]]:
    """Return gross tumour volume and dose (Gy) on the final grid, and notes on what was left out.

    ``moves`` carries each scan's native world into the final one. Regions named GTV.. make up the
    tumour; other names are free text and are not used.
    """
    masks, notes = [], list(planned.notes)
    for mask, drawn_on in _tumours(planned, notes):
        carried = LabelMap(mask.voxels, moves[drawn_on] @ mask.affine)
        masks.append(resample_labels(carried, affine, shape).voxels)
    tumour = LabelMap(np.maximum.reduce(masks), affine) if masks else None
    dose = None
    if planned.doses and planned.sequence is not None:
        move = moves[planned.sequence]
        try:
            found = read_dose(list(planned.doses), planned.plans)
            voxels = resample(found.voxels, move @ found.affine, affine, shape)
            dose = DoseMap(voxels, affine, found.biological)
        except UnreadableImage as error:
            notes.append(f"dose left out: {error.reason}")
    return tumour, dose, notes


def _tumours(planned: Planned, notes: list[str]) -> Iterable[tuple[LabelMap, Sequence]]:
    """Masks of the tumour, each with the scan in whose world it lies."""
    if planned.tumour and planned.drawn_on:
        yield read_tumour(planned.tumour), planned.drawn_on
    elif planned.sequence is not None:
        yield from ((mask, planned.sequence) for mask in _contoured(planned, notes))


def read_tumour(path: Path) -> LabelMap:
    """The gross tumour volume of a NIfTI mask; of BraTS labels all but the oedema (2)."""
    try:
        image = nib.load(path)
        labels = np.squeeze(np.asarray(image.dataobj))
    except (OSError, ImageFileError) as error:
        raise UnreadableImage(path, "the tumour mask is no readable NIfTI image") from error
    if labels.ndim != 3 or not np.isin(np.unique(labels), range(5)).all():
        raise UnreadableImage(path, "a tumour mask has one volume of labels 0 to 4")
    whole = labels > 0
    core = whole & (labels != _OEDEMA) if len(np.unique(labels[whole])) > 1 else whole
    return LabelMap(core.astype(np.uint8), np.asarray(image.affine, float))


def _contoured(planned: Planned, notes: list[str]) -> Iterable[LabelMap]:
    for path in planned.structures:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        for number, name in regions(header):
            if not _GROSS_TUMOUR.match(name):
                continue
            try:
                yield read_region(path, number, planned.frame_of_reference)
            except UnreadableImage as error:
                notes.append(f"a GTV contour was left out: {error.reason}")
            except (AttributeError, TypeError, ValueError):
                notes.append("a GTV contour was left out: the structure set is malformed")
    for path in planned.segmentations:
        try:
            segments = read_segments(path, planned.frame_of_reference)
        except UnreadableImage as error:
            notes.append(f"a segmentation was left out: {error.reason}")
            continue
        yield from (mask for label, mask in segments.items() if _GROSS_TUMOUR.match(label))

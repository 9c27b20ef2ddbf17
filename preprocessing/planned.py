"""Radiotherapy planned on a scan of the day: dose and gross tumour volume on the final grid."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap, LabelMap, Sequence
from flame.io.dose import read_dose
from flame.io.segmentations import read_segments
from flame.io.structures import read_region, regions
from flame.preprocessing.interpolation import resample, resample_labels

_GROSS_TUMOUR = re.compile(r"^\s*gtv", re.I)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Planned:
    """RT Dose, RT Structure Set and SEG files in the frame of reference of one of the scans.

    ``plans`` are the treated plans, SOPInstanceUID to beam numbers; ``notes`` say what else there
    is and is not used.
    """

    frame_of_reference: str = ""
    sequence: Sequence | None = None
    doses: tuple[Path, ...] = ()
    structures: tuple[Path, ...] = ()
    segmentations: tuple[Path, ...] = ()
    plans: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return [*self.doses, *self.structures, *self.segmentations]


def planned_maps(
    planned: Planned, moves: Mapping[Sequence, Matrix], affine: Matrix, shape: tuple[int, ...]
) -> tuple[LabelMap | None, DoseMap | None, list[str]]:
    """Return gross tumour volume and dose (Gy) on the final grid, and notes on what was left out.

    ``moves`` carries each scan's native world into the final one. Regions named GTV.. make up the
    tumour; other names are free text and are not used.
    """
    if planned.sequence is None:
        return None, None, list(planned.notes)
    move, notes = moves[planned.sequence], list(planned.notes)
    masks = []
    for mask in _tumours(planned, notes):
        carried = LabelMap(mask.voxels, move @ mask.affine)
        masks.append(resample_labels(carried, affine, shape).voxels)
    tumour = LabelMap(np.maximum.reduce(masks), affine) if masks else None
    dose = None
    if planned.doses:
        try:
            found = read_dose(list(planned.doses), planned.plans)
            voxels = resample(found.voxels, move @ found.affine, affine, shape)
            dose = DoseMap(voxels, affine, found.biological)
        except UnreadableImage as error:
            notes.append(f"dose left out: {error.reason}")
    return tumour, dose, notes


def _tumours(planned: Planned, notes: list[str]) -> Iterable[LabelMap]:
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

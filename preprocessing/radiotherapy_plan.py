"""Radiotherapy planned on a scan of the day: dose and gross tumour volume on the final grid."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap, LabelMap, Sequence
from flame.io.dicom.dose import read_dose
from flame.io.dicom.instances import read_dataset
from flame.io.dicom.segmentations import read_segments
from flame.io.dicom.structures import read_region, regions
from flame.io.nifti import read_dose_map
from flame.io.tumour_masks import CORE, read_regions
from flame.preprocessing.stages.interpolation import resample, resample_labels

_GROSS_TUMOUR = re.compile(r"^\s*gtv", re.I)
"""Pattern of the names of gross tumour volumes."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class RadiotherapyPlan:
    """Radiotherapy files in the frame of reference of one of the scans.

    Args:
        frame_of_reference: FrameOfReferenceUID that the files share.
        sequence: scan in that frame of reference.
        doses: RT Dose files.
        structures: RT Structure Set files.
        segmentations: DICOM SEG files.
        plans: beam numbers of each treated plan, by SOPInstanceUID.
        notes: notes on files that exist but are not used.
        tumour: NIfTI tumour mask in the world space of ``drawn_on``; it replaces contours.
        drawn_on: scan on which ``tumour`` and ``dose_map`` lie.
        dose_map: NIfTI dose in the world space of ``drawn_on``; it replaces RT Dose.
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
    dose_map: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """All files."""
        nifti = (path for path in (self.tumour, self.dose_map) if path)
        return [*self.doses, *self.structures, *self.segmentations, *nifti]


def planned_maps(
    planned: RadiotherapyPlan,
    moves: Mapping[Sequence, Matrix],
    affine: Matrix,
    shape: tuple[int, ...],
    convention: str = "brats",
) -> tuple[dict[str, LabelMap], DoseMap | None, list[str]]:
    """Resample the drawn regions and the dose to the final grid.

    Contours whose name starts with GTV form the core. Other names are free text and are not used.

    Args:
        planned: radiotherapy of the day.
        moves: RAS+ matrix (4, 4) in mm from each scan's native world into the final one.
        affine: RAS+ affine (4, 4) of the final grid in mm.
        shape: shape (x, y, z) of the final grid.
        convention: meaning of the labels of a NIfTI mask: brats or brats-2023.

    Returns:
        Masks (x, y, z) by region, the dose (x, y, z) in Gy or None, and notes on what was left out.
    """
    notes = list(planned.notes)
    drawn: dict[str, list[NDArray[np.uint8]]] = {}
    for region, mask, drawn_on in _tumours(planned, convention, notes):
        moved = LabelMap(mask.voxels, moves[drawn_on] @ mask.affine)
        drawn.setdefault(region, []).append(resample_labels(moved, affine, shape).voxels)
    masks_by_region = {r: LabelMap(np.maximum.reduce(masks), affine) for r, masks in drawn.items()}
    return masks_by_region, _dose(planned, moves, affine, shape, notes), notes


def _dose(
    planned: RadiotherapyPlan,
    moves: Mapping[Sequence, Matrix],
    affine: Matrix,
    shape: tuple[int, ...],
    notes: list[str],
) -> DoseMap | None:
    """Return the dose on the final grid, or None; add a note if it cannot be read."""
    try:
        if planned.dose_map and planned.drawn_on:
            dose = read_dose_map(planned.dose_map)
            move = moves[planned.drawn_on]
        elif planned.doses and planned.sequence is not None:
            dose = read_dose(list(planned.doses), planned.plans)
            move = moves[planned.sequence]
        else:
            return None
    except UnreadableImage as error:
        notes.append(f"dose left out: {error.reason}")
        return None
    return DoseMap(
        resample(dose.voxels, move @ dose.affine, affine, shape), affine, dose.biological
    )


def _tumours(
    planned: RadiotherapyPlan, convention: str, notes: list[str]
) -> Iterable[tuple[str, LabelMap, Sequence]]:
    """Yield each region with its name and the scan in whose world it lies."""
    if planned.tumour and planned.drawn_on:
        for region, mask in read_regions(planned.tumour, convention).items():
            yield region, mask, planned.drawn_on
    elif planned.sequence is not None:
        yield from ((CORE, mask, planned.sequence) for mask in _contoured(planned, notes))


def _contoured(planned: RadiotherapyPlan, notes: list[str]) -> Iterable[LabelMap]:
    """Yield the gross tumour volumes of RT Structure Sets and DICOM SEG files."""
    for path in planned.structures:
        header = read_dataset(path, pixels=False)
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

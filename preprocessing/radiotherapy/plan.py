"""Radiotherapy objects of an imaging day, and how each leads to one of its scans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Sequence
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.radiotherapy import GivenDose
from flame.io.dicom.sources import source_layout, source_paths


class Way(StrEnum):
    """How a frame of reference leads to that of a scan, the most certain way first."""

    SAME = "same frame of reference"
    REGISTRATION = "Spatial Registration object"
    FOUND = "CT registered to the scan by FLAME"


@dataclass(frozen=True, eq=False)
class Link:
    """Way from the frame of reference of an object to the world of a scan.

    Args:
        sequence: scan that is reached.
        way: how it is reached.
        matrix: RAS+ matrix (4, 4) in mm from the frame of the object to the world of the scan; for
            ``Way.FOUND`` the identity, as it is not found yet.
        ct: CT in the frame of the object, for ``Way.FOUND``.
    """

    sequence: Sequence
    way: Way = Way.SAME
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    ct: Geometry | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """RT Dose, RT Structure Set or SEG of a day.

    Args:
        path: the file.
        modality: RTDOSE, RTSTRUCT or SEG.
        frame: FrameOfReferenceUID (0020,0052).
        link: way to a scan of the day.
        course: number of the course that a dose belongs to, from 0.
    """

    path: Path
    modality: str
    frame: str
    link: Link
    course: int = 0


@dataclass(frozen=True)
class RadiotherapyPlan:
    """Radiotherapy that belongs to an imaging day.

    Args:
        drawn: objects, of structure sets the one that counts first.
        plans: what belongs to the dose of each plan of the course, by SOPInstanceUID.
        roi_names: region by name of a structure, from the centre's own table.
        notes: notes on files that exist but are not used.
        tumour: NIfTI tumour mask in the world space of ``drawn_on``; it replaces contours.
        drawn_on: scan on which ``tumour`` and ``dose_map`` lie.
        dose_map: NIfTI dose in the world space of ``drawn_on``; it replaces RT Dose.
    """

    drawn: tuple[Drawn, ...] = ()
    plans: Mapping[str, GivenDose] = field(default_factory=dict)
    roi_names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    tumour: Path | None = None
    drawn_on: Sequence | None = None
    dose_map: Path | None = None

    def of(self, *modalities: str) -> list[Drawn]:
        """Return the objects of some modalities, in order."""
        return [d for d in self.drawn if d.modality in modalities]

    @property
    def paths(self) -> list[Path]:
        """All files."""
        nifti = [path for path in (self.tumour, self.dose_map) if path]
        cts = {id(d.link.ct): d.link.ct for d in self.drawn if d.link.ct}
        slices = [path for ct in cts.values() for path in source_paths(ct)]
        return [*(d.path for d in self.drawn), *slices, *nifti]

    @property
    def layout(self) -> list[str]:
        """Text of all that determines the maps besides the bytes of the files."""
        plans = [f"{uid} {_text(given)}" for uid, given in sorted(self.plans.items())]
        links = [
            f"{d.link.sequence} {d.link.way} {d.link.matrix.tolist()} "
            f"{source_layout(d.link.ct) if d.link.ct else ''}"
            for d in self.drawn
        ]
        return [*plans, *links, str(sorted(self.roi_names.items())), *self.notes]


def _text(given: GivenDose) -> str:
    return f"{sorted(given.beams)} {given.share} {given.phase}"

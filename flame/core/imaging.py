"""Images: what a scanner sequence is, a volume with its place in space, a label map."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Sequence(StrEnum):
    """The four structural sequences of a brain-tumour protocol."""

    T1 = "T1"
    T1C = "T1C"
    T2 = "T2"
    FLAIR = "FLAIR"


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("the affine must be 4x4 and finite")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError("the affine is singular")


@dataclass(frozen=True, eq=False)
class Scan:
    """One MRI volume.

    ``voxels`` is float32 with axes (x, y, z) in voxel order; ``affine`` maps voxel indices to
    millimetres in RAS+ world space; ``history`` names the stages it went through, oldest first.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    sequence: Sequence
    history: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.float32:
            raise ValueError("voxels must be a float32 array with axes (x, y, z)")
        _check_affine(self.affine)

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size along x, y, z in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def after(
        self,
        stage: str,
        voxels: NDArray[np.float32] | None = None,
        affine: NDArray[np.float64] | None = None,
    ) -> "Scan":
        """Return this scan as ``stage`` left it, with the stage added to the history."""
        return replace(
            self,
            voxels=self.voxels if voxels is None else voxels.astype(np.float32, copy=False),
            affine=self.affine if affine is None else affine,
            history=(*self.history, stage),
        )


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Integer labels on a grid: uint8 voxels (x, y, z), RAS+ affine in mm; 0 is background."""

    voxels: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.uint8:
            raise ValueError("labels must be a uint8 array with axes (x, y, z)")
        _check_affine(self.affine)

    @property
    def volume(self) -> float:
        """Volume of all labelled voxels in ml."""
        voxel = abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0
        return float(np.count_nonzero(self.voxels)) * voxel


@dataclass(frozen=True, eq=False)
class DoseMap:
    """Dose of a course of radiotherapy: float32 Gy (x, y, z), RAS+ affine in mm.

    ``biological`` says that it is RBE-weighted already (DICOM DoseType EFFECTIVE).
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    biological: bool

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.float32:
            raise ValueError("a dose must be a float32 array with axes (x, y, z)")
        _check_affine(self.affine)

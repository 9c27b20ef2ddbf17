"""Images in world space: scans, label maps and dose maps."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Sequence(StrEnum):
    """The structural MRI sequences of a brain-tumour protocol, and maps that may come with them.

    ADC is the apparent diffusion coefficient, RCBV the relative cerebral blood volume.
    """

    T1 = "T1"
    T1C = "T1C"
    T2 = "T2"
    FLAIR = "FLAIR"
    ADC = "ADC"
    RCBV = "RCBV"


STRUCTURAL = (Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR)
"""The four structural sequences: channels of networks, in this order."""
MAPS = (Sequence.ADC, Sequence.RCBV)
"""Maps that are computed from diffusion and perfusion series; never required."""


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("the affine must be 4x4 and finite")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError("the affine is singular")


@dataclass(frozen=True, eq=False)
class Scan:
    """One MRI volume.

    Args:
        voxels: float32 intensities (x, y, z), in the order of voxel indices.
        affine: 4x4 matrix from voxel indices to millimetres in RAS+ world space.
        sequence: sequence of the scan.
        history: names of the stages that processed the scan, oldest first.

    Raises:
        ValueError: the voxels are not three-dimensional float32, or the affine is not 4x4, not
            finite or singular.
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
        """Voxel size (3,) along x, y and z in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def after(
        self,
        stage: str,
        voxels: NDArray[np.float32] | None = None,
        affine: NDArray[np.float64] | None = None,
    ) -> "Scan":
        """Return the scan as a stage leaves it, with the stage added to the history.

        Args:
            stage: name of the stage.
            voxels: new intensities (x, y, z); None: unchanged.
            affine: new affine; None: unchanged.

        Returns:
            A new scan of the same sequence; unchanged arrays are shared, not copied.
        """
        return replace(
            self,
            voxels=self.voxels if voxels is None else voxels.astype(np.float32, copy=False),
            affine=self.affine if affine is None else affine,
            history=(*self.history, stage),
        )


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Integer labels on a grid.

    Args:
        voxels: uint8 labels (x, y, z); 0 is background.
        affine: 4x4 matrix from voxel indices to millimetres in RAS+ world space.

    Raises:
        ValueError: the voxels are not three-dimensional uint8, or the affine is not 4x4, not finite
            or singular.
    """

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
    """Dose of a whole course of radiotherapy on a grid.

    Args:
        voxels: float32 dose in Gy (x, y, z).
        affine: 4x4 matrix from voxel indices to millimetres in RAS+ world space.
        biological: whether the dose is RBE-weighted already (DICOM DoseType EFFECTIVE).

    Raises:
        ValueError: the voxels are not three-dimensional float32, or the affine is not 4x4, not
            finite or singular.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    biological: bool

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.float32:
            raise ValueError("a dose must be a float32 array with axes (x, y, z)")
        _check_affine(self.affine)

"""Reads NIfTI volumes and refuses files whose geometry is missing or contradictory."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from flame.core.errors import UnreadableImage
from flame.core.files import atomic_path
from flame.core.imaging import DoseMap, Scan, Sequence

_DISAGREEMENT_MM = 1.0
"""Largest accepted distance, in mm, between the corners of a volume by its sform and its qform."""


def read_nifti(path: Path, sequence: Sequence) -> Scan:
    """Read a NIfTI volume as a scan.

    Args:
        path: NIfTI file with one volume.
        sequence: MRI sequence of the volume.

    Returns:
        Scan with float32 voxels (x, y, z) and an RAS+ affine in mm.

    Raises:
        UnreadableImage: the file cannot be read, is not one finite volume, is constant, has no
            sform and no qform, or has an sform and a qform that differ by more than 1 mm.
    """
    voxels, affine = _volume(path)
    if np.ptp(voxels) == 0:
        raise UnreadableImage(path, f"the volume of {sequence} is constant")
    return Scan(voxels, affine, sequence, ("nifti",))


def read_dose_map(path: Path) -> DoseMap:
    """Read a NIfTI volume as a dose in Gy.

    The dose counts as not RBE-weighted. For photons the physical and the RBE-weighted dose are
    equal, as their RBE is 1.

    Args:
        path: NIfTI file with one volume in Gy.

    Returns:
        Dose with float32 voxels (x, y, z) in Gy and an RAS+ affine in mm.

    Raises:
        UnreadableImage: the file cannot be read, is not one finite volume, has no valid position in
            space, or holds a negative dose.
    """
    voxels, affine = _volume(path)
    if voxels.min() < 0:
        raise UnreadableImage(path, "the dose is below 0 in some voxels")
    return DoseMap(voxels, affine, biological=False)


def write_nifti(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a volume as compressed NIfTI; after an error the file is as before.

    Args:
        path: file to write, in a folder that is made if needed.
        voxels: values (x, y, z).
        affine: RAS+ affine (4, 4) in mm.
    """
    with atomic_path(path) as temporary:
        whole = temporary.with_name(f"{temporary.name}.nii.gz")
        nib.save(nib.Nifti1Image(voxels, affine), whole)
        whole.replace(temporary)


def _volume(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    try:
        image = nib.load(path)
        voxels = np.squeeze(image.get_fdata(dtype=np.float32))
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise UnreadableImage(path, "no readable NIfTI image") from error
    if voxels.ndim != 3 or min(voxels.shape) < 2:
        raise UnreadableImage(path, f"one volume is required, not an image of shape {voxels.shape}")
    if not np.isfinite(voxels).all():
        raise UnreadableImage(path, "some voxels are not finite")
    _check_position(path, image)
    return voxels, np.asarray(image.affine, float)


def _check_position(path: Path, image: nib.Nifti1Image) -> None:
    """Refuse a header without a position in space, or whose sform and qform disagree."""
    sform, sform_code = image.get_sform(coded=True)
    qform, qform_code = image.get_qform(coded=True)
    if not sform_code and not qform_code:
        raise UnreadableImage(path, "the header has no position in space (neither sform nor qform)")
    if sform_code and qform_code:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape[:3]])).reshape(3, -1)
        points = np.vstack([corners, np.ones(corners.shape[1])])
        distance = np.linalg.norm(((sform - qform) @ points)[:3], axis=0).max()
        if distance > _DISAGREEMENT_MM:
            raise UnreadableImage(path, f"sform and qform differ by {distance:.1f} mm")

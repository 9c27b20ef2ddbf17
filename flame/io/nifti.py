"""Reads NIfTI volumes; refuses files whose geometry is missing or contradictory."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap, Scan, Sequence

_DISAGREEMENT_MM = 1.0
"""Largest distance in mm between the corners of a volume by its sform and by its qform."""


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

    The dose is taken as not RBE-weighted: a physical dose, or a photon dose, for which both are the
    same.

    Args:
        path: NIfTI file with one volume in Gy.

    Returns:
        Dose with float32 voxels (x, y, z) in Gy and an RAS+ affine in mm.

    Raises:
        UnreadableImage: as for ``read_nifti``, or the dose is negative somewhere.
    """
    voxels, affine = _volume(path)
    if voxels.min() < 0:
        raise UnreadableImage(path, "the dose is below 0 somewhere")
    return DoseMap(voxels, affine, biological=False)


def _volume(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    try:
        image = nib.load(path)
        voxels = np.squeeze(image.get_fdata(dtype=np.float32))
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise UnreadableImage(path, "no readable NIfTI image") from error
    if voxels.ndim != 3 or min(voxels.shape) < 2:
        raise UnreadableImage(path, f"one volume is wanted, not an image of {voxels.shape}")
    if not np.isfinite(voxels).all():
        raise UnreadableImage(path, "some voxels are not finite")
    _check_place(path, image)
    return voxels, np.asarray(image.affine, float)


def _check_place(path: Path, image: nib.Nifti1Image) -> None:
    """Refuse a header without a position in space, or with an sform and a qform that disagree."""
    (sform, scode), (qform, qcode) = (image.get_sform(coded=True), image.get_qform(coded=True))
    if not scode and not qcode:
        raise UnreadableImage(path, "the header says nothing about the place in space")
    if scode and qcode:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape[:3]])).reshape(3, -1)
        points = np.vstack([corners, np.ones(corners.shape[1])])
        apart = np.linalg.norm(((sform - qform) @ points)[:3], axis=0).max()
        if apart > _DISAGREEMENT_MM:
            raise UnreadableImage(path, f"sform and qform differ by {apart:.1f} mm")

"""Images and masks on another grid."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from flame.core.imaging import LabelMap

Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]


def resample(
    voxels: Volume, affine: Matrix, target_affine: Matrix, shape: tuple[int, ...]
) -> Volume:
    """Sample ``voxels`` (affine RAS+) linearly on the target grid; 0 outside the image.

    Where the target is coarser the image is averaged and smoothed first, so that nothing aliases.
    """
    step = np.abs((np.linalg.inv(affine) @ target_affine)[:3, :3]).max(axis=1)
    if (step > 1.9).any():
        voxels, affine = averaged(voxels, affine, np.maximum(1, (step + 0.1).astype(int)))
    pull = np.linalg.inv(affine) @ target_affine
    step = np.abs(pull[:3, :3]).max(axis=1)
    if (step > 1.4).any():
        voxels = gaussian_filter(voxels, 0.42 * np.sqrt(np.maximum(step**2 - 1, 0)))
    return _sampled(voxels, pull, shape)


def _sampled(voxels: Volume, pull: Matrix, shape: tuple[int, ...]) -> Volume:
    """Trilinear values at ``pull`` (target index to source index) of every target voxel."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(pull[:3, :3].ravel().tolist())
    transform.SetTranslation(pull[:3, 3].tolist())
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))  # axes x, y, z; spacing 1
    sampled = sitk.Resample(
        image, [int(n) for n in shape], transform, sitk.sitkLinear, (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0), np.eye(3).ravel().tolist(), 0.0, sitk.sitkFloat32,
    )  # fmt: skip
    return np.asarray(sitk.GetArrayFromImage(sampled).T, np.float32)


def averaged(voxels: Volume, affine: Matrix, factors: NDArray[np.int_]) -> tuple[Volume, Matrix]:
    """Mean of blocks of ``factors`` voxels, and the affine of the smaller grid."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            length = -(-voxels.shape[axis] // factor) * factor
            spare = [(0, length - n if a == axis else 0) for a, n in enumerate(voxels.shape)]
            voxels = np.pad(voxels, spare, mode="edge")
            parts = [
                voxels[(slice(None),) * axis + (slice(i, length, factor),)] for i in range(factor)
            ]
            voxels = np.asarray(sum(parts[1:], parts[0]) / np.float32(factor))
    scaled = affine @ np.diag([*factors, 1.0])
    scaled[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    return voxels, scaled


def coarse_grid(
    affine: Matrix, shape: tuple[int, ...], spacing: float
) -> tuple[Matrix, tuple[int, ...]]:
    """Affine and shape of a grid of ``spacing`` mm over the same field of view and corner."""
    factors = spacing / np.linalg.norm(affine[:3, :3], axis=0)
    scaled = affine @ np.diag([*factors, 1.0])
    scaled[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    return scaled, tuple(int(n) for n in np.ceil(np.array(shape) / factors - 1e-6))


def resample_labels(labels: LabelMap, target_affine: Matrix, shape: tuple[int, ...]) -> LabelMap:
    """Sample a mask of one label on the target grid, its edge where half the voxel is inside."""
    # Empty voxels around: what lies at the edge of a small mask must not be cut or drawn out.
    mask = np.pad((labels.voxels > 0).astype(np.float32), 2)
    affine = labels.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 2.0)
    soft = resample(mask, affine, target_affine, shape)
    return LabelMap((soft > 0.5).astype(np.uint8), target_affine)

"""Resampling of images and masks to another grid."""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from flame.core.imaging import LabelMap, Scan

Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]


def resample(
    voxels: Volume,
    affine: Matrix,
    target_affine: Matrix,
    shape: tuple[int, ...],
    outside: float = 0.0,
) -> Volume:
    """Sample an image on another grid by trilinear interpolation.

    If the target is coarser, the image is averaged and smoothed first to prevent aliasing.

    Args:
        voxels: intensities (x, y, z).
        affine: RAS+ affine (4, 4) of the image in mm.
        target_affine: RAS+ affine (4, 4) of the target grid in mm, in the same world.
        shape: shape (x, y, z) of the target grid.
        outside: value of voxels beyond the image.

    Returns:
        Intensities (x, y, z) on the target grid.

    Example:
        >>> image = np.array([0.0, 1.0, 2.0], np.float32).reshape(3, 1, 1)
        >>> half = np.eye(4)
        >>> half[0, 3] = 0.5  # shifted by half a voxel
        >>> resample(image, np.eye(4), half, (2, 1, 1)).ravel()
        array([0.5, 1.5], dtype=float32)
    """
    step = np.abs((np.linalg.inv(affine) @ target_affine)[:3, :3]).max(axis=1)
    if (step > 1.9).any():
        voxels, affine = averaged(voxels, affine, np.maximum(1, (step + 0.1).astype(int)))
    pull = np.linalg.inv(affine) @ target_affine
    step = np.abs(pull[:3, :3]).max(axis=1)
    if (step > 1.4).any():
        voxels = gaussian_filter(voxels, 0.42 * np.sqrt(np.maximum(step**2 - 1, 0)))
    out = np.full(tuple(int(n) for n in shape), outside, np.float32, order="F")
    _trilinear(voxels, pull, out)
    return out


@numba.njit(cache=True)  # no fastmath: results must be identical in every process
def _trilinear(source: Volume, pull: Matrix, out: Volume) -> None:
    """Fill ``out`` (x, y, z) with ``source`` at positions ``pull``, which maps index to index.

    The source extends half a voxel beyond its outermost voxel centres.
    """
    nx, ny, nz = source.shape
    for k in range(out.shape[2]):
        for j in range(out.shape[1]):
            x0, y0, z0 = pull[:3, 1] * j + pull[:3, 2] * k + pull[:3, 3]
            for i in range(out.shape[0]):
                x = x0 + pull[0, 0] * i
                y = y0 + pull[1, 0] * i
                z = z0 + pull[2, 0] * i
                if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5 and -0.5 <= z < nz - 0.5):
                    continue
                x = min(max(x, 0), nx - 1)
                y = min(max(y, 0), ny - 1)
                z = min(max(z, 0), nz - 1)
                # Two corners of the cell, (a, b, c) and (p, q, r), and the position within it.
                a, b, c = int(x), int(y), int(z)
                p, q, r = min(a + 1, nx - 1), min(b + 1, ny - 1), min(c + 1, nz - 1)
                u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                low0 = source[a, b, c] + u * (source[p, b, c] - source[a, b, c])
                high0 = source[a, q, c] + u * (source[p, q, c] - source[a, q, c])
                low1 = source[a, b, r] + u * (source[p, b, r] - source[a, b, r])
                high1 = source[a, q, r] + u * (source[p, q, r] - source[a, q, r])
                low = low0 + v * (high0 - low0)
                high = low1 + v * (high1 - low1)
                out[i, j, k] = low + w * (high - low)


def averaged(voxels: Volume, affine: Matrix, factors: NDArray[np.int_]) -> tuple[Volume, Matrix]:
    """Average blocks of voxels.

    Args:
        voxels: intensities (x, y, z).
        affine: RAS+ affine (4, 4) in mm.
        factors: block size (3,) in voxels.

    Returns:
        Block means (x, y, z), and the RAS+ affine (4, 4) of their grid in mm. An incomplete block
        repeats the edge.

    Example:
        >>> image = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
        >>> means, affine = averaged(image, np.eye(4), np.array([2, 1, 1]))
        >>> means.ravel(), affine[0, 3]
        (array([0.5, 2.5], dtype=float32), np.float64(0.5))
    """
    for axis, factor in enumerate(factors):
        if factor > 1:
            ahead = np.moveaxis(voxels, axis, 0)
            total = ahead[::factor].copy()
            for i in range(1, factor):
                part = ahead[i::factor]
                total[: len(part)] += part
                total[len(part) :] += ahead[-1]  # the edge fills an incomplete block
            total /= np.float32(factor)
            voxels = np.moveaxis(total, 0, axis)
    scaled = affine @ np.diag([*factors, 1.0])
    scaled[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    return voxels, scaled


def coarse_grid(
    affine: Matrix, shape: tuple[int, ...], spacing: float
) -> tuple[Matrix, tuple[int, ...]]:
    """Compute a grid of another voxel size with the same corner and field of view.

    Args:
        affine: RAS+ affine (4, 4) in mm.
        shape: shape (x, y, z).
        spacing: new voxel size in mm.

    Returns:
        RAS+ affine (4, 4) in mm and shape (x, y, z) of the new grid; its last voxels may extend
        beyond the old grid.

    Example:
        >>> coarse_grid(np.eye(4), (4, 4, 5), 2.0)[1]
        (2, 2, 3)
    """
    factors = spacing / np.linalg.norm(affine[:3, :3], axis=0)
    scaled = affine @ np.diag([*factors, 1.0])
    scaled[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    return scaled, tuple(int(n) for n in np.ceil(np.array(shape) / factors - 1e-6))


def resample_labels(labels: LabelMap, target_affine: Matrix, shape: tuple[int, ...]) -> LabelMap:
    """Sample a mask on another grid.

    Args:
        labels: mask; all labels count as inside.
        target_affine: RAS+ affine (4, 4) of the target grid in mm.
        shape: shape (x, y, z) of the target grid.

    Returns:
        Mask on the target grid: 1 where the interpolated mask exceeds one half, else 0.
    """
    # Padding keeps the edge of a small mask from being cut off or extended.
    mask = np.pad((labels.voxels > 0).astype(np.float32), 2)
    affine = labels.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 2.0)
    soft = resample(mask, affine, target_affine, shape)
    return LabelMap((soft > 0.5).astype(np.uint8), target_affine)


def labels_on_scan(labels: LabelMap, matrix: Matrix, scan: Scan) -> LabelMap:
    """Carry a mask back to the grid of a scan.

    Args:
        labels: mask; all labels count as inside.
        matrix: RAS+ matrix (4, 4) in mm from the world of the scan to that of the mask.
        scan: scan whose grid is used.

    Returns:
        Mask on the grid of the scan.
    """
    moved = LabelMap(labels.voxels, np.linalg.inv(matrix) @ labels.affine)
    return resample_labels(moved, scan.affine, scan.voxels.shape)

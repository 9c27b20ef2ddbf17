"""Images and masks on another grid."""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from flame.core.imaging import LabelMap

Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]


def resample(
    voxels: Volume,
    affine: Matrix,
    target_affine: Matrix,
    shape: tuple[int, ...],
    outside: float = 0.0,
) -> Volume:
    """Sample ``voxels`` (affine RAS+) linearly on the target grid; ``outside`` beyond the image.

    Where the target is coarser the image is averaged and smoothed first, so that nothing aliases.
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


@numba.njit(cache=True)  # no fastmath: the same bytes from every process
def _trilinear(source: Volume, pull: Matrix, out: Volume) -> None:
    """Fill ``out`` (x, y, z) with ``source`` at ``pull`` (index to index); its edge reaches 0.5."""
    nx, ny, nz = source.shape
    for k in range(out.shape[2]):
        for j in range(out.shape[1]):
            x0, y0, z0 = pull[:3, 1] * j + pull[:3, 2] * k + pull[:3, 3]
            for i in range(out.shape[0]):
                x, y, z = x0 + pull[0, 0] * i, y0 + pull[1, 0] * i, z0 + pull[2, 0] * i
                if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5 and -0.5 <= z < nz - 0.5):
                    continue
                x, y, z = min(max(x, 0), nx - 1), min(max(y, 0), ny - 1), min(max(z, 0), nz - 1)
                a, b, c = int(x), int(y), int(z)
                p, q, r = min(a + 1, nx - 1), min(b + 1, ny - 1), min(c + 1, nz - 1)
                u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                low0 = source[a, b, c] + u * (source[p, b, c] - source[a, b, c])
                high0 = source[a, q, c] + u * (source[p, q, c] - source[a, q, c])
                low1 = source[a, b, r] + u * (source[p, b, r] - source[a, b, r])
                high1 = source[a, q, r] + u * (source[p, q, r] - source[a, q, r])
                low, high = low0 + v * (high0 - low0), low1 + v * (high1 - low1)
                out[i, j, k] = low + w * (high - low)


def averaged(voxels: Volume, affine: Matrix, factors: NDArray[np.int_]) -> tuple[Volume, Matrix]:
    """Mean of blocks of ``factors`` voxels, and the affine of the smaller grid."""
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

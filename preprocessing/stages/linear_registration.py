"""Rigid and affine registration by mutual information, from coarse to fine.

Several starting positions are compared at the coarsest level, and the best ones are optimised
there. The winner is refined by L-BFGS with analytic gradients. The result is deterministic.
"""

from collections.abc import Iterable
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from flame.core.errors import StageFailed
from flame.preprocessing.stages.interpolation import averaged
from flame.preprocessing.stages.mutual_information import Similarity, to_bins

Kind = Literal["rigid", "affine"]
Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]

_LEVELS_MM = (6.0, 3.0, 2.0)
"""Resolution of each level in mm, from coarse to fine."""
_SAMPLES = (10_000, 30_000, 60_000)
"""Number of points at which the images are compared, for each level."""
_RADIUS_MM = 80.0
"""Radius of a head in mm: a rotation or stretch of 1/80 moves its edge by 1 mm, as a shift of 1 mm
does.
"""
_ANGLES = (-35.0, 0.0, 35.0)
"""Starting angles about each axis in degrees."""
_KEPT_STARTS = 4
"""Number of starting positions that are optimised."""
_SMALL_VIEW = 0.6
"""Ratio of two fields of view below which the smaller one counts as much smaller."""
_LEAST_NATS = 0.01
"""Mutual information in nats below which two images count as unrelated."""


def register(
    fixed: Volume,
    fixed_affine: Matrix,
    moving: Volume,
    moving_affine: Matrix,
    kind: Kind,
    region: NDArray[np.uint8] | None = None,
    least_nats: float = _LEAST_NATS,
) -> Matrix:
    """Register two volumes.

    The search starts from the headers and from the centres of mass, each with several rotations. An
    affine registration starts from the rigid solution.

    Args:
        fixed: intensities (x, y, z) of the fixed volume.
        fixed_affine: its RAS+ affine (4, 4) in mm.
        moving: intensities (x, y, z) of the moving volume.
        moving_affine: its RAS+ affine (4, 4) in mm.
        kind: rigid or affine.
        region: mask (x, y, z) on the fixed grid outside which nothing is compared; None: no mask.
        least_nats: mutual information below which the result is not trusted.

    Returns:
        RAS+ matrix (4, 4) in mm from the moving to the fixed world.

    Raises:
        StageFailed: the mutual information of the result is too low.
    """
    images = ((fixed, fixed_affine), (moving, moving_affine))
    swap = region is None and _better_sampled(*images[1], *images[0])
    (a, a_affine), (b, b_affine) = images[::-1] if swap else images
    levels = []
    middles: list[Matrix] = []  # centres of mass of both images, at the coarsest level
    for mm, count in zip(_LEVELS_MM, _SAMPLES, strict=True):
        small = shrink(a, a_affine, mm), shrink(b, b_affine, mm)
        middles = middles or [_mass_centre(*image) for image in small]
        levels.append(_similarity(*small, count, _shrunk_mask(region, a_affine, mm)))
    centre = levels[0].points.mean(axis=0).astype(float)
    starts = list(_starts(centre, *middles))
    starts = sorted(starts, key=lambda m: -levels[0](m)[0])[:_KEPT_STARTS]
    matrix = max(
        (_optimise(levels[0], m, centre, "rigid") for m in starts), key=lambda m: levels[0](m)[0]
    )
    kinds: tuple[Kind, ...] = ("rigid",) if kind == "rigid" else ("rigid", "affine")
    for step in kinds:
        for level in levels if step == "affine" else levels[1:]:
            matrix = _optimise(level, matrix, centre, step)
    nats = levels[-1](matrix)[0]
    if not nats > least_nats:
        raise StageFailed(
            f"registration failed: the images do not overlap, or share {nats:.3f} nats of "
            f"information only, not {least_nats:g}"
        )
    return matrix if swap else np.asarray(np.linalg.inv(matrix), float)


def _better_sampled(a: Volume, a_affine: Matrix, b: Volume, b_affine: Matrix) -> bool:
    """Return whether sample points should be taken from ``a`` instead of ``b``.

    In a much smaller field of view every point has a counterpart. Otherwise thinner slices are
    better, as values interpolated between thick ones are blurred.
    """
    sizes = [
        np.prod(v.shape) * abs(np.linalg.det(m[:3, :3])) for v, m in ((a, a_affine), (b, b_affine))
    ]
    if min(sizes) < _SMALL_VIEW * max(sizes):
        return bool(sizes[0] < sizes[1])
    thickness = [np.linalg.norm(m[:3, :3], axis=0).max() for m in (a_affine, b_affine)]
    return bool(thickness[0] < 0.99 * thickness[1])


def shrink(voxels: Volume, affine: Matrix, mm: float) -> tuple[Volume, Matrix]:
    """Average blocks of voxels and smooth slightly.

    Args:
        voxels: intensities (x, y, z).
        affine: RAS+ affine (4, 4) in mm.
        mm: approximate new spacing in mm; slices that are thicker stay as they are.

    Returns:
        Intensities (x, y, z) and RAS+ affine (4, 4) in mm of the coarser grid.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors = np.maximum(1, np.rint(mm / spacing)).astype(int)
    factors = np.minimum(factors, np.maximum(1, np.array(voxels.shape) // 4))
    voxels, scaled = averaged(voxels, affine, factors)
    return gaussian_filter(voxels, 0.5), scaled


def _shrunk_mask(
    region: NDArray[np.uint8] | None, affine: Matrix, mm: float
) -> NDArray[np.bool_] | None:
    return None if region is None else shrink(region.astype(np.float32), affine, mm)[0] > 0.5


def _similarity(
    fixed: tuple[Volume, Matrix],
    moving: tuple[Volume, Matrix],
    count: int,
    where: NDArray[np.bool_] | None,
) -> Similarity:
    """Draw ``count`` sample points of the fixed image, and pair them with the moving one."""
    rng = np.random.default_rng(0)
    a, a_affine = fixed
    b, b_affine = moving
    # Points lie between voxels: on the grid, linear interpolation favours whole-voxel shifts.
    if where is None:
        low, size = _head_box(a)
        index = (low + rng.random((count, 3)) * size).astype(np.float32)
    else:
        inside = np.argwhere(where)
        shift = rng.random((count, 3)) - 0.5
        index = (inside[rng.integers(len(inside), size=count)] + shift).astype(np.float32)
    points = (index @ a_affine[:3, :3].T + a_affine[:3, 3]).astype(np.float32)
    bins = np.rint(to_bins(_linear(a, index), *_range(a))).astype(np.int64)
    return Similarity(
        points, bins, to_bins(b, *_range(b)), np.asarray(np.linalg.inv(b_affine), float)
    )


def _head_box(voxels: Volume) -> tuple[Matrix, Matrix]:
    """Return the corner and size, in voxels, of the part of the image that is not air."""
    inside = voxels > 0.25 * voxels[voxels > voxels.mean()].mean()
    low = np.zeros(3)
    high = np.array(voxels.shape) - 1.0
    for axis in range(3):
        share = inside.mean(axis=tuple({0, 1, 2} - {axis}))
        slices = np.flatnonzero(share > 0.02)
        if len(slices):
            low[axis] = max(0, slices[0] - 2)
            high[axis] = min(voxels.shape[axis] - 1, slices[-1] + 2)
    return low, high - low


def _linear(voxels: Volume, index: NDArray[np.float32]) -> Volume:
    """Return the values (n,) at voxel indices (n, 3) by linear interpolation."""
    return np.asarray(map_coordinates(voxels, index.T, order=1, mode="nearest"), np.float32)


def _range(voxels: Volume) -> tuple[float, float]:
    """Return the intensity range of the bins, without outliers that would take most of the bins."""
    sample = voxels.ravel()[:: max(1, voxels.size // 100_000)]
    return float(np.quantile(sample, 0.002)), float(np.quantile(sample, 0.998))


def _mass_centre(voxels: Volume, affine: Matrix) -> Matrix:
    """Return the centre of mass (3,) of a coarse image in world coordinates in mm."""
    weights = np.clip(voxels - np.quantile(voxels, 0.5), 0, np.quantile(voxels, 0.95))
    index = np.indices(voxels.shape).reshape(3, -1)
    middle = index @ weights.ravel() / max(float(weights.sum()), 1e-12)
    return np.asarray(affine[:3, :3] @ middle + affine[:3, 3])


def _starts(centre: Matrix, from_mass: Matrix, to_mass: Matrix) -> Iterable[Matrix]:
    """Yield starting matrices: from headers and from centres of mass, each with rotations."""
    for shift in (np.zeros(3), to_mass - from_mass):
        for angles in product(_ANGLES, repeat=3):
            turn = np.eye(4)
            turn[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
            pivot = from_mass if shift.any() else centre
            turn[:3, 3] = pivot + shift - turn[:3, :3] @ pivot
            yield turn


def _delta(p: Matrix, centre: Matrix, kind: Kind) -> Matrix:
    """Return the motion about ``centre`` of parameters in mm: translation, then rotation or
    stretch.
    """
    matrix = np.eye(4)
    if kind == "rigid":
        matrix[:3, :3] = Rotation.from_rotvec(p[3:] / _RADIUS_MM).as_matrix()
    else:
        matrix[:3, :3] += p[3:].reshape(3, 3) / _RADIUS_MM
    matrix[:3, 3] = centre + p[:3] - matrix[:3, :3] @ centre
    return matrix


def _optimise(similarity: Similarity, start: Matrix, centre: Matrix, kind: Kind) -> Matrix:
    """Return the matrix of largest similarity that L-BFGS finds from ``start``."""
    linear = start[:3, :3]

    def negative(p: Matrix) -> tuple[float, Matrix]:
        value, by_shift, by_linear = similarity(start @ _delta(p, centre, kind))
        shift = linear.T @ by_shift
        turn = (linear.T @ by_linear - np.outer(shift, centre)) / _RADIUS_MM
        if kind == "affine":
            return -value, -np.concatenate([shift, turn.ravel()])
        return -value, -np.concatenate([shift, _by_rotation(turn, p[3:])])

    size = 6 if kind == "rigid" else 12
    optimum = minimize(
        negative,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-6},
    )
    return np.asarray(start @ _delta(optimum.x, centre, kind))


def _by_rotation(turn: Matrix, p: Matrix) -> Matrix:
    """Convert a derivative by matrix elements to one by the rotation vector."""
    step = 1e-5
    vector = p / _RADIUS_MM
    slopes = [
        (Rotation.from_rotvec(vector + step * e) * Rotation.from_rotvec(vector - step * e).inv())
        for e in np.eye(3)
    ]
    rotation = Rotation.from_rotvec(vector).as_matrix()
    return np.array(
        [np.sum(turn * ((s.as_matrix() - np.eye(3)) / (2 * step) @ rotation)) for s in slopes]
    )

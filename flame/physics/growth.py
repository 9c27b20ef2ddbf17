"""Reaction-diffusion growth of a glioma under fractionated radiotherapy.

The density c follows dc/dt = div(D grad c) + rho c (1 - c) on white and grey matter. A fraction
multiplies c by the LQ survival S(d). The killed cells move to a dead compartment, which clears with
a half-life. The solver takes explicit steps with zero flux at the border of the tissue. It works in
a box around the tumour that grows with it.

Reference:
    Swanson et al. 2000, doi:10.1046/j.1365-2184.2000.00177.x (growth on white and grey matter).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Box = NDArray[np.int64]

FLOOR = 1e-5
"""Density up to which a voxel counts as free of tumour."""
_MARGIN = 4
"""Margin in voxels of the box around all voxels with a density above FLOOR."""
_BOX_DAYS = 4
"""Days between two updates of the box."""


@dataclass(frozen=True)
class Growth:
    """Parameters of growth and clearance.

    Args:
        diffusion: diffusion coefficient D in white matter in mm2/day.
        rate: proliferation rate rho in 1/day.
        grey_ratio: D in grey matter relative to that in white matter.
        clearance_days: half-life of dead cells in days.
    """

    diffusion: float
    rate: float
    grey_ratio: float = 0.1
    clearance_days: float = 20.0


def diffusivity(white: Volume, grey: Volume, growth: Growth, least_tissue: float = 0.4) -> Volume:
    """Compute the diffusion coefficient of each voxel.

    It is D (white + grey_ratio grey) within tissue and 0 elsewhere.

    Args:
        white: white-matter fraction (x, y, z), 0 to 1.
        grey: grey-matter fraction (x, y, z), 0 to 1.
        growth: growth parameters.
        least_tissue: sum of both fractions at or below which a voxel is not tissue.

    Returns:
        Diffusion coefficient (x, y, z) in mm2/day.

    Example:
        >>> white, grey = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        >>> diffusivity(white, grey, Growth(diffusion=0.5, rate=0.02))
        array([0.5 , 0.05, 0.  ], dtype=float32)
    """
    mixed = growth.diffusion * (white + growth.grey_ratio * grey)
    return np.where(white + grey > least_tissue, mixed, 0).astype(np.float32)


def stable_step(diffusion: float, spacing: float) -> float:
    """Compute a time step that keeps the explicit scheme stable: min(1, 0.9 h^2 / (6 D)) days.

    Args:
        diffusion: largest diffusion coefficient D in mm2/day.
        spacing: smallest voxel side h in mm.

    Returns:
        Time step in days, at most 1.

    Example:
        >>> round(stable_step(diffusion=2.7, spacing=3.0), 6)
        0.5
    """
    return float(min(1.0, 0.9 * spacing**2 / (6 * diffusion)))


def grow(
    cells: Volume,
    dead: Volume,
    d: Volume,
    growth: Growth,
    spacing: float | tuple[float, float, float],
    days: int,
    survival: Mapping[int, Volume] | None = None,
    steps: int | None = None,
) -> tuple[Volume, Volume]:
    """Simulate growth for a number of whole days.

    Args:
        cells: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        d: diffusion coefficient (x, y, z) in mm2/day; 0 outside tissue. The outermost voxels count
            as no tissue.
        growth: growth parameters, of which the rate and the clearance are used.
        spacing: side length of a voxel in mm, the same for all axes or one for each.
        days: number of days.
        survival: surviving fraction (x, y, z) on each day with a fraction, by day from the start of
            this call; None: no radiotherapy.
        steps: time steps per day; None: the smallest stable number.

    Returns:
        Densities of live and of dead cells (x, y, z).

    Example:
        >>> cells, d = np.full((5, 5, 5), 0.5, np.float32), np.full((5, 5, 5), 0.1, np.float32)
        >>> live, _ = grow(cells, np.zeros_like(cells), d, Growth(0.1, rate=0.1), 1.0, days=1)
        >>> round(float(live[2, 2, 2]), 4)  # 0.5 + 0.1 * 0.5 * (1 - 0.5)
        0.525
    """
    peak = float(d.max())
    if steps is None:
        steps = int(np.ceil(1.0 / stable_step(peak, float(np.min(spacing))))) if peak > 0 else 1
    faces = tuple(np.zeros(d.shape, np.float32) for _ in range(3))
    cells = np.array(cells, np.float32, order="C")
    dead = dead.copy()
    scale = (1 / steps / np.broadcast_to(spacing, 3) ** 2).astype(np.float32)
    _prepare(np.ascontiguousarray(d), scale, cells, *faces)
    rate = np.float32(growth.rate / steps)
    remaining_share = np.float32(0.5 ** (1 / growth.clearance_days))
    spare = cells.copy()
    box = _tumour_box(cells + dead, None)
    for day in range(days):
        if day % _BOX_DAYS == 0:
            box = _tumour_box(cells, box)
        inside = tuple(slice(*span) for span in box.T)
        if survival is not None and day in survival:
            killed = cells[inside] * (1 - survival[day][inside])
            cells[inside] -= killed
            dead[inside] += killed
        for _ in range(steps):
            _step(cells, spare, *faces, rate, box)
            cells, spare = spare, cells
        dead[inside] *= remaining_share
    return cells, dead


def _tumour_box(cells: Volume, last: Box | None) -> Box:
    """Return the index range (2, 3) of densities above FLOOR plus a margin; it never shrinks."""
    whole = np.array([(0, 0, 0), cells.shape], np.int64)
    low, high = _extent(cells, whole if last is None else last, FLOOR)
    if high[0] < 0:
        return np.ones((2, 3), np.int64) if last is None else last
    low = low - _MARGIN
    high = high + 1 + _MARGIN
    if last is not None:
        low = np.minimum(low, last[0])
        high = np.maximum(high, last[1])
    return np.stack([np.maximum(low, 1), np.minimum(high, np.array(cells.shape) - 1)])


@numba.njit(cache=True)
def _extent(cells: Volume, box: Box, floor: float) -> tuple[Box, Box]:
    """Return the first and the last index (3,) of a box above ``floor``; -1 if none is."""
    low = np.full(3, 2**31, np.int64)
    high = np.full(3, -1, np.int64)
    for i in range(box[0, 0], box[1, 0]):
        for j in range(box[0, 1], box[1, 1]):
            first = -1
            last = -1
            for k in range(box[0, 2], box[1, 2]):
                if cells[i, j, k] > floor:
                    if first < 0:
                        first = k
                    last = k
            if first >= 0:
                low[0] = min(low[0], i)
                high[0] = max(high[0], i)
                low[1] = min(low[1], j)
                high[1] = max(high[1], j)
                low[2] = min(low[2], first)
                high[2] = max(high[2], last)
    return low, high


@numba.njit(cache=True, parallel=True)
def _prepare(
    d: Volume, scale: NDArray[np.float32], cells: Volume, fx: Volume, fy: Volume, fz: Volume
) -> None:
    """Fill ``fx``, ``fy`` and ``fz`` with the mean coefficient at the face to the next voxel.

    It is 0 if either voxel is no tissue. The outermost voxels count as no tissue, so that every
    other voxel has six neighbours. Cells outside tissue are removed.
    """
    nx, ny, nz = d.shape
    half = np.float32(0.5) * scale
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                here = d[i, j, k]
                border = i == 0 or j == 0 or k == 0 or i == nx - 1 or j == ny - 1 or k == nz - 1
                if border or here <= 0:
                    cells[i, j, k] = 0
                    continue
                if i < nx - 2 and d[i + 1, j, k] > 0:
                    fx[i, j, k] = half[0] * (here + d[i + 1, j, k])
                if j < ny - 2 and d[i, j + 1, k] > 0:
                    fy[i, j, k] = half[1] * (here + d[i, j + 1, k])
                if k < nz - 2 and d[i, j, k + 1] > 0:
                    fz[i, j, k] = half[2] * (here + d[i, j, k + 1])


@numba.njit(cache=True, fastmath=True, parallel=True, nogil=True)
def _step(
    c: Volume,
    out: Volume,
    fx: Volume,
    fy: Volume,
    fz: Volume,
    rate: np.float32,
    box: Box,
) -> None:
    """Take one explicit step of diffusion and proliferation from ``c`` to ``out`` in the box."""
    # Rows are sliced first, as possibly negative indices would prevent vectorisation.
    a = box[0, 2]
    b = box[1, 2]
    one = np.float32(1.0)
    for i in numba.prange(box[0, 0], box[1, 0]):
        for j in range(box[0, 1], box[1, 1]):
            here = c[i, j, a:b]
            new = out[i, j, a:b]
            # The six neighbours, and the coefficients at the faces to them.
            next_x = c[i + 1, j, a:b]
            last_x = c[i - 1, j, a:b]
            next_y = c[i, j + 1, a:b]
            last_y = c[i, j - 1, a:b]
            next_z = c[i, j, a + 1 : b + 1]
            last_z = c[i, j, a - 1 : b - 1]
            face_next_x = fx[i, j, a:b]
            face_last_x = fx[i - 1, j, a:b]
            face_next_y = fy[i, j, a:b]
            face_last_y = fy[i, j - 1, a:b]
            face_next_z = fz[i, j, a:b]
            face_last_z = fz[i, j, a - 1 : b - 1]
            for k in range(b - a):
                v = here[k]
                flux = (
                    face_next_x[k] * (next_x[k] - v)
                    + face_last_x[k] * (last_x[k] - v)
                    + face_next_y[k] * (next_y[k] - v)
                    + face_last_y[k] * (last_y[k] - v)
                    + face_next_z[k] * (next_z[k] - v)
                    + face_last_z[k] * (last_z[k] - v)
                )
                new[k] = v + flux + rate * v * (one - v)

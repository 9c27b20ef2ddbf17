"""Reaction-diffusion growth of a glioma with fractionated radiotherapy.

dc/dt = div(D grad c) + rho c (1 - c) on white and grey matter (Swanson 2000,
doi:10.1046/j.1365-2184.2000.00177.x); at a fraction c is multiplied by the LQ survival S(d) and
the killed cells go to a dead compartment that clears with a half-life. Explicit steps, zero flux
at the border of the brain.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Growth:
    """``diffusion`` in white matter in mm2/day, a tenth of it in grey; ``rate`` rho in 1/day."""

    diffusion: float
    rate: float
    grey_ratio: float = 0.1
    clearance_days: float = 20.0


def diffusivity(white: Volume, grey: Volume, growth: Growth) -> Volume:
    """Diffusion coefficient in mm2/day of each voxel from tissue fractions; 0 outside tissue."""
    mixed = growth.diffusion * (white + growth.grey_ratio * grey)
    return np.where(white + grey > 0.4, mixed, 0).astype(np.float32)


def _walled(d: Volume) -> Volume:
    """No diffusion in the outermost voxels, so that every other one has its six neighbours."""
    walled = np.zeros_like(d)
    walled[1:-1, 1:-1, 1:-1] = d[1:-1, 1:-1, 1:-1]
    return walled


@numba.njit(cache=True, fastmath=True)
def _step(
    c: Volume, d: Volume, out: Volume, dt_h2: float, rho_dt: float, low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> None:  # fmt: skip
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            for k in range(low[2], high[2]):
                here, dh = c[i, j, k], d[i, j, k]
                if dh <= 0.0:
                    out[i, j, k] = 0.0
                    continue
                # Mean coefficient at each face, and no flux into voxels without tissue.
                flux = np.float32(0.0)
                for a, b, e in (
                    (1, 0, 0),
                    (-1, 0, 0),
                    (0, 1, 0),
                    (0, -1, 0),
                    (0, 0, 1),
                    (0, 0, -1),
                ):
                    dn = d[i + a, j + b, k + e]
                    if dn > 0.0:
                        flux += 0.5 * (dh + dn) * (c[i + a, j + b, k + e] - here)
                out[i, j, k] = here + dt_h2 * flux + rho_dt * here * (1.0 - here)


def _box(c: Volume, margin: int = 4, floor: float = 1e-6) -> tuple[NDArray[np.int64], ...]:
    where = [np.flatnonzero((c > floor).any(axis=tuple({0, 1, 2} - {a}))) for a in range(3)]
    low = np.array([max(1, w[0] - margin) if len(w) else 1 for w in where])
    high = np.array(
        [
            min(n - 1, w[-1] + 1 + margin) if len(w) else 1
            for w, n in zip(where, c.shape, strict=True)
        ]
    )
    return low, high


def stable_step(diffusion: float, spacing: float) -> float:
    """Largest time step in days, at most one, that keeps the explicit scheme stable."""
    return float(min(1.0, 0.9 * spacing**2 / (6 * diffusion)))


def grow(
    cells: Volume,
    dead: Volume,
    d: Volume,
    growth: Growth,
    spacing: float,
    days: int,
    survival: Mapping[int, Volume] | None = None,
) -> tuple[Volume, Volume]:
    """Return live and dead cell density after ``days`` whole days.

    ``cells`` and ``dead`` are densities 0..1 (x, y, z) with ``spacing`` mm; ``survival`` gives
    the surviving fraction map of each day (counted from the start of this call) with a fraction.
    """
    d = _walled(d)
    peak = float(d.max())
    steps = int(np.ceil(1.0 / stable_step(peak, spacing))) if peak > 0 else 1
    dt_h2, rho_dt = 1 / steps / spacing**2, growth.rate / steps
    decay = np.float32(0.5 ** (1 / growth.clearance_days))
    cells, dead, spare = cells.copy(), dead.copy(), cells.copy()
    low, high = _box(cells)
    for day in range(days):
        if survival is not None and day in survival:
            killed = cells * (1 - survival[day])
            cells -= killed
            dead += killed
            spare = cells.copy()
        if day % 7 == 0:
            low, high = _box(cells)
        for _ in range(steps):
            _step(cells, d, spare, dt_h2, rho_dt, low, high)
            cells, spare = spare, cells
        dead *= decay
    return cells, dead

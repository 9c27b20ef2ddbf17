"""Growth solver: CPU time and difference from the public numpy solver, on the same grid and steps.

    python benchmarks/growth.py [--toolkit FOLDER] [--quick]

MNI152 white and grey matter at 1 mm, 300 days (--quick: 2 mm): a tumour of about 30 ml and one that
fills the brain. With FOLDER, the peer is the Fisher-Kolmogorov solver of TumorGrowthToolkit (MIT),
else the same explicit scheme in numpy below. Both start from the peer's seed and take its time
steps. FLAME's kernel is compiled before the clock starts.
"""

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from result_line import add_quick, print_result_line

from flame.physics.growth import Growth, diffusivity, grow

Volume = NDArray[Any]
DAYS = 300
SEED_AT = (0.35, 0.4, 0.55)
"""Position of the seed as a fraction of the grid along each axis."""
LEAST_TISSUE = 0.1
"""Smallest sum of white and grey matter fractions into which the tumour grows."""
CASES = {"30 ml": (0.13, 0.025), "brain-filling": (0.4, 0.08)}
"""D in white matter (mm2/day) and rho (1/day)."""


def tissues(spacing: int) -> tuple[Volume, Volume]:
    """Return the white and grey matter fractions of the MNI152 brain."""
    white = datasets.load_mni152_wm_template(resolution=spacing)
    grey = datasets.load_mni152_gm_template(resolution=spacing)
    return white.get_fdata(dtype=np.float32), grey.get_fdata(dtype=np.float32)


def steps_of(diffusion: float, rate: float, spacing: int) -> int:
    """Return the number of explicit steps that the toolkit takes."""
    return int(np.ceil(max(DAYS * diffusion / spacing**2 * 8 + 100, DAYS * rate * 1.1)))


def explicit(white: Volume, grey: Volume, d: float, rho: float, spacing: int) -> Volume:
    """Solve by the toolkit's scheme: float64, explicit Euler, no flux at the tissue's edge."""
    at = tuple(int(p * n) for p, n in zip(SEED_AT, white.shape, strict=True))
    axes = np.meshgrid(
        *[np.arange(n) - a for n, a in zip(white.shape, at, strict=True)],
        indexing="ij",
        sparse=True,
    )
    squared = sum((a * spacing) ** 2 for a in axes)
    c = 250 / (4 * np.pi * 5) ** 1.5 * np.exp(-squared / 20.0)
    c = np.where(c > 0.1, np.minimum(c, 1.0), 0.0)
    steps = steps_of(d, rho, spacing)
    dt = DAYS / max(DAYS * d / spacing**2 * 8 + 100, DAYS * rho * 1.1)
    coefficient = d * (white + grey / 10.0)
    tissue = white + grey >= LEAST_TISSUE
    faces = [
        np.where(
            tissue & np.roll(tissue, -1, a), (coefficient + np.roll(coefficient, -1, a)) / 2, 0
        )
        for a in range(3)
    ]
    for _ in range(steps):
        change = rho * c * (1 - c)
        for axis, face in enumerate(faces):
            flux = face * (np.roll(c, -1, axis) - c) / spacing**2
            change = change + flux - np.roll(flux, 1, axis)
        c = c + dt * change
    return c


def toolkit(white: Volume, grey: Volume, d: float, rho: float, spacing: int) -> Volume:
    """Solve by the public solver."""
    from TumorGrowthToolkit.FK import Solver

    parameters = {
        "Dw": d,
        "rho": rho,
        "gm": grey,
        "wm": white,
        "resolution_factor": 1.0,
        "stopping_time": DAYS,
        "RatioDw_Dg": 10.0,
        "th_matter": LEAST_TISSUE,
        **dict(zip(("NxT1_pct", "NyT1_pct", "NzT1_pct"), SEED_AT, strict=True)),
        **dict.fromkeys(("dx_mm", "dy_mm", "dz_mm"), float(spacing)),
    }
    return np.asarray(Solver(parameters).solve()["final_state"])


def flame(white: Volume, grey: Volume, d: float, rho: float, spacing: int) -> Volume:
    """Solve by FLAME; a "day" is one step of the peer, so that both take the same steps."""
    start = explicit_start(white.shape, spacing)
    dt = DAYS / max(DAYS * d / spacing**2 * 8 + 100, DAYS * rho * 1.1)
    growth = Growth(d * dt, rho * dt)
    coefficient = diffusivity(white, grey, growth, LEAST_TISSUE)
    none = np.zeros_like(start)
    steps = steps_of(d, rho, spacing)
    return grow(start, none, coefficient, growth, float(spacing), steps, steps=1)[0]


def explicit_start(shape: tuple[int, ...], spacing: int) -> Volume:
    """Return the peer's seed: a Gaussian, 0 below 0.1 and at most 1."""
    at = [int(p * n) for p, n in zip(SEED_AT, shape, strict=True)]
    squared = sum(((np.indices(shape)[a] - at[a]) * spacing) ** 2 for a in range(3))
    c = 250 / (4 * np.pi * 5) ** 1.5 * np.exp(-squared / 20.0)
    return np.where(c > 0.1, np.minimum(c, 1.0), 0.0).astype(np.float32)


def timed(solve: Any, *arguments: Any) -> tuple[Volume, float]:
    """Return the result and the CPU seconds."""
    start = time.process_time()
    return solve(*arguments), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toolkit", help="folder that holds the package TumorGrowthToolkit")
    add_quick(parser, "2 mm, and only the tumour of 30 ml")
    arguments = parser.parse_args()
    if arguments.toolkit:
        sys.path.insert(0, arguments.toolkit)
    spacing = 2 if arguments.quick else 1
    peer = toolkit if arguments.toolkit else explicit
    white, grey = tissues(spacing)
    flame(white, grey, 0.01, 0.01, spacing)  # compiles
    figures: list[dict[str, Any]] = []
    cases = list(CASES.items())[: 1 if arguments.quick else None]
    for name, (d, rho) in cases:
        ours, seconds = timed(flame, white, grey, d, rho, spacing)
        theirs, theirs_seconds = timed(peer, white, grey, d, rho, spacing)
        error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
        ml = float((ours > 0.5).sum()) * spacing**3 / 1000
        print(
            f"{name:14} {ml:7.1f} ml  FLAME {seconds:6.2f} CPU-s  {peer.__name__} "
            f"{theirs_seconds:7.1f} CPU-s  ratio {theirs_seconds / seconds:6.1f}  "
            f"relative L2 {error:.5f}"
        )
        figures.append(
            {
                "case": name,
                "ml": ml,
                "cpu_s": seconds,
                "peer_cpu_s": theirs_seconds,
                "ratio": theirs_seconds / seconds,
                "relative_l2": error,
            }
        )
    print(json.dumps({"unit": "CPU-s", "peer": peer.__name__, "figures": figures}))
    headline = {row.pop("case"): row for row in figures}
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

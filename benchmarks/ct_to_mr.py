"""Accuracy of the registration of planning CT to MRI, and of the check that fails.

    python benchmarks/ct_to_mr.py [--quick]

Simulated heads (real pairs are not public without a licence). The CT is moved by up to 15 degrees
and 25 mm. Artefacts of real pairs are added in turn: contrast agent, thick slices, a couch, a mask,
teeth of metal with streaks, air in the sinuses, a neck that is bent, and a cropped field of view of
either image. Errors are distances over the brain. The check is tried on the pairs themselves, on
CTs of other heads, and on movements that are wrong by 3, 5 and 10 mm.
"""

import argparse
import json

import numpy as np
from numpy.typing import NDArray
from result_line import add_quick, print_result_line
from scipy.ndimage import affine_transform, binary_dilation, gaussian_filter

from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.radiotherapy.ct_registration import distance, register_ct
from flame.simulation.anatomy import Head, warped_head
from flame.simulation.planning_ct import ct_grid, hounsfield
from flame.simulation.scanner import SCANNERS, acquire, acquisition_grid, pose, signal

KINDS = (
    "plain",
    "thick CT",
    "thick MRI",
    "T1",
    "mask",
    "metal",
    "sinus",
    "neck",
    "cropped CT",
    "cropped MRI",
)
"""Artefacts; each is tried on heads of its own."""
HEADS = 7
"""Heads of each kind."""
ACCEPTED_MM = 2.0
"""Largest error in mm that counts as right."""

Matrix = NDArray[np.float64]


def artefacts(values: NDArray[np.int16], kind: str, rng: np.random.Generator) -> None:
    """Change CT numbers (x, y, z) in place: mask, metal or sinuses of air."""
    body = gaussian_filter((values > -300).astype(np.float32), 1) > 0.5
    if kind == "mask":
        near = binary_dilation(body, iterations=2)
        shell = binary_dilation(near, iterations=1) & ~near
        front = np.arange(values.shape[1]) > 0.45 * values.shape[1]
        values[shell & front[None, :, None]] = 60
    places = np.argwhere(body)
    low, high = np.quantile(places, (0.02, 0.98), axis=0)
    if kind == "metal":
        z = int(low[2] + 0.25 * (high[2] - low[2]))
        centre = np.array([(low[0] + high[0]) / 2, high[1] - 12, z])
        values[tuple(slice(int(c) - 3, int(c) + 3) for c in centre)] = 3000
        for angle in rng.uniform(0, np.pi, 12):
            for step in range(-60, 60):
                x, y = (centre[:2] + step * np.array([np.cos(angle), np.sin(angle)])).astype(int)
                if 0 <= x < values.shape[0] and 0 <= y < values.shape[1]:
                    values[x, y, z - 2 : z + 3] += np.int16(rng.choice([-400, 400]))
    if kind == "sinus":
        middle = (low + high) / 2
        at = np.indices(values.shape) - np.array(
            [middle[0], high[1] - 14, low[2] + 0.4 * (high[2] - low[2])]
        ).reshape(3, 1, 1, 1)
        radii = np.array([12, 8, 10]).reshape(3, 1, 1, 1)
        values[((at / radii) ** 2).sum(axis=0) < 1] = -1000
    np.clip(values, -1024, 3071, out=values)


def bent(head: Head) -> Head:
    """Return the head with everything below the brain turned by 8 degrees."""
    turn = np.eye(3)
    angle = np.deg2rad(8)
    turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    floor = int(np.argwhere(head.brain)[:, 2].min())
    pivot = np.array([head.brain.shape[0] / 2, head.brain.shape[1] * 0.42, floor])
    moved = np.stack(
        [affine_transform(t, turn, pivot - turn @ pivot, order=1) for t in head.tissues]
    )
    tissues = head.tissues.copy()
    tissues[..., : floor - 2] = moved[..., : floor - 2]
    return Head(tissues, head.brain, head.affine)


def pair(
    kind: str, number: int, seed: int = 7
) -> tuple[NDArray[np.float32], Matrix, Scan, LabelMap, Matrix]:
    """Return CT numbers and their affine, the scan, the brain, and the true movement."""
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    head = warped_head(rng)
    scanner = SCANNERS[number % len(SCANNERS)]
    sequence = Sequence.T1 if kind == "T1" else Sequence.T1C
    tumour = np.zeros(head.brain.shape, np.float32)
    mr_position = pose(rng, degrees=6, mm=8) @ head.affine
    grid = acquisition_grid(scanner, head, 1.5)
    clean = signal(head, tumour, tumour, sequence, scanner.contrast)
    voxels = acquire(scanner, clean, mr_position, grid, rng).astype(np.float32)
    affine = grid[0]
    if kind == "thick MRI":
        count = voxels.shape[2] // 4 * 4
        voxels = voxels[:, :, :count].reshape(*voxels.shape[:2], -1, 4).mean(axis=3)
        affine = affine @ np.diag([1, 1, 4, 1.0])
        affine[:3, 3] += grid[0][:3, 2] * 1.5
    if kind == "cropped MRI":
        start = voxels.shape[2] // 3
        voxels = np.ascontiguousarray(voxels[:, :, start:])
        affine = affine.copy()
        affine[:3, 3] += affine[:3, 2] * start
    scanned = bent(head) if kind == "neck" else head
    ct_position = pose(rng, degrees=15, mm=25) @ head.affine
    step = 5.0 if kind == "thick CT" else float(rng.choice([1.5, 2.0, 3.0]))
    ct_affine, shape = ct_grid(scanned, ct_position, (1.5, 1.5, step))
    values = hounsfield(scanned, ct_position, (ct_affine, shape), rng)
    artefacts(values, kind, rng)
    if kind == "cropped CT":
        top = int(130 / step)
        start = values.shape[2] - top
        values = values[:, :, start:]
        ct_affine = ct_affine.copy()
        ct_affine[2, 3] += step * start
    brain = LabelMap(head.brain.astype(np.uint8), mr_position)
    true = mr_position @ np.linalg.inv(ct_position)
    return values.astype(np.float32), ct_affine, Scan(voxels, affine, sequence), brain, true


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "one head of each of three kinds")
    arguments = parser.parse_args()
    kinds = KINDS[:3] if arguments.quick else KINDS
    heads = 1 if arguments.quick else HEADS
    figures: dict[str, dict[str, float]] = {}
    errors: list[float] = []
    silent = strangers = refused_strangers = 0
    for kind in kinds:
        found = []
        previous = None
        for number in range(heads):
            values, affine, scan, brain, true = pair(kind, number)
            try:
                error = distance(true, register_ct(values, affine, scan, brain), brain)
            except StageFailed:
                error = float("nan")
            found.append(error)
            silent += error > ACCEPTED_MM
            if previous is not None:
                strangers += 1
                try:
                    register_ct(*previous, scan, brain)
                except StageFailed:
                    refused_strangers += 1
            previous = values, affine
        errors += found
        told = np.array(found)
        figures[kind] = {
            "median mm": float(np.nanmedian(told)),
            "largest mm": float(np.nanmax(told)),
            "refused": int(np.isnan(told).sum()),
        }
        print(kind, {k: round(v, 2) for k, v in figures[kind].items()}, flush=True)
    told = np.array(errors)
    summary = {
        "pairs": len(told),
        "within 2 mm, share": float((told <= ACCEPTED_MM).mean()),
        "wrong and not refused": int(silent),
        "other heads": strangers,
        "other heads refused": refused_strangers,
    }
    print(json.dumps({**summary, "kinds": figures}))
    print_result_line(__file__, arguments.quick, {**summary, **figures})


if __name__ == "__main__":
    main()

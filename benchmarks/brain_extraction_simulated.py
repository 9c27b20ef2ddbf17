"""Brain extraction of simulated whole heads: Dice with the known brain, by sequence and slice.

    python benchmarks/brain_extraction_simulated.py [--quick]

Public whole heads with FLAIR and T2 alone are rare, so the heads are simulated: the MNI152 brain
of a patient, warped, in a skull and a scalp, seen by each scanner with its orientation, contrast,
bias and noise, in voxels of 1.5 mm or slices of 6.5 mm. A method that refuses an image has no mask.
HD-BET needs the extra hd-bet; --quick leaves it out.
"""

import argparse
import json

import numpy as np
from brain_extraction import REFERENCE, brain_by, dice_of
from result_line import add_quick, print_result_line
from scipy.ndimage import affine_transform

from flame.core.imaging import Scan, Sequence
from flame.preprocessing.stages.brain_extraction import BRAIN_METHODS
from flame.simulation.anatomy import Head, warped_head
from flame.simulation.scanner import SCANNERS, Scanner, acquire, acquisition_grid, signal

SPACING = 1.5
"""Voxel size in a slice in mm."""
SLICES = (1.5, 6.5)
"""Slice thickness in mm."""
SEQUENCES = (Sequence.T1C, Sequence.FLAIR, Sequence.T2)


def scan_of(
    head: Head, sequence: Sequence, scanner: Scanner, thickness: float, seed: int
) -> tuple[Scan, np.ndarray]:
    """Simulate a scan of a healthy head and its brain mask on the grid of the scan."""
    grid, shape = acquisition_grid(scanner, head, SPACING)
    step = thickness / (SPACING * scanner.thickness)
    grid[:3, 2] *= step
    shape = (shape[0], shape[1], int(np.ceil(shape[2] / step)) + 1)
    empty = np.zeros_like(head.tissues[0])
    clean = signal(head, empty, empty, sequence, scanner.contrast)
    stored = acquire(scanner, clean, head.affine, (grid, shape), np.random.default_rng(seed))
    pull = np.linalg.inv(head.affine) @ grid
    brain = affine_transform(
        head.brain.astype(np.float32), pull[:3, :3], pull[:3, 3], output_shape=shape, order=1
    )
    return Scan(stored.astype(np.float32), grid, sequence), brain > 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "one scanner and one sequence, without HD-BET, which takes minutes")
    arguments = parser.parse_args()
    methods = [m for m in BRAIN_METHODS if not (arguments.quick and m == REFERENCE)]
    scanners = SCANNERS[:1] if arguments.quick else SCANNERS
    sequences = (Sequence.FLAIR,) if arguments.quick else SEQUENCES
    figures = {}
    for thickness in SLICES[:1] if arguments.quick else SLICES:
        for sequence in sequences:
            found: dict[str, list[float]] = {method: [] for method in methods}
            for seed, scanner in enumerate(scanners):
                head = warped_head(np.random.default_rng(seed))
                scan, brain = scan_of(head, sequence, scanner, thickness, seed)
                for method in methods:
                    found[method].append(dice_of(brain_by(method, scan), brain))
            for method, values in found.items():
                name = f"{sequence.value}, slices {thickness} mm, {method}"
                figures[name] = {f"scanner {i + 1}": value for i, value in enumerate(values)}
                print(f"{name:36}", "  ".join(f"{value:.3f}" for value in values), flush=True)
    print(json.dumps({"unit": "Dice with the known brain", "figures": figures}))
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

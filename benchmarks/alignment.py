"""Alignment of two sequences: the measure of the quality gate, on aligned and on displaced pairs.

    python benchmarks/alignment.py DATA [--quick]

Real gliomas with aligned sequences: 4 patients of DATA/imaging/brats2013 (T1c and FLAIR), on which
the threshold of 1.5 was fixed, and 7 of DATA/imaging/brats2018 (T1 and FLAIR, other scanners). Each
pair is measured as it is and with the second scan moved. The mutual information itself is printed,
too: no threshold on it separates aligned from displaced pairs.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from result_line import add_quick, print_result_line
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from flame.core.imaging import Scan, Sequence
from flame.preprocessing.quality.alignment import alignment, similarity

MOVES = {
    "as it is": ((0, 0, 0), (0, 0, 0)),
    "moved by 4 mm": ((3, 3, 0), (0, 0, 0)),
    "moved by 5 mm": ((5, 0, 0), (0, 0, 0)),
    "turned by 8 degrees": ((0, 0, 0), (8, 0, 0)),
    "moved by 14 mm, turned by 22": ((10, 10, 0), (10, 20, 0)),
}
"""Shift in voxels of 1 mm, and angles in degrees, by name."""


def read(path: Path) -> NDArray[np.float32]:
    return nib.load(path).get_fdata(dtype=np.float32)


def pairs(data: Path) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield cohort, reference and moving sequence of each patient; 0 outside the brain."""
    for folder in sorted((data / "imaging/brats2013").glob("brats_2013*")):
        names = [next(folder.glob(f"{kind}*.nii.gz")) for kind in ("T1c", "Flair", "brainmask")]
        reference, moving, brain = map(read, names)
        yield "brats2013", np.where(brain > 0.5, reference, 0), np.where(brain > 0.5, moving, 0)
    for folder in sorted((data / "imaging/brats2018").glob("case_*")):
        yield "brats2018", read(folder / "T1.nii.gz"), read(folder / "FLAIR.nii.gz")


def moved(voxels: NDArray[np.float32], move: tuple) -> NDArray[np.float32]:
    shift, angles = move
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    centre = np.array(voxels.shape) / 2
    return affine_transform(voxels, turn, centre - turn @ centre + np.array(shift, float), order=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    add_quick(parser, "one pair")
    arguments = parser.parse_args()
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for cohort, reference, moving in list(pairs(arguments.data))[: 1 if arguments.quick else None]:
        brain = reference != 0
        fixed = Scan(reference, np.eye(4), Sequence.T1C)
        for name, move in MOVES.items():
            scan = Scan(moved(moving, move), np.eye(4), Sequence.FLAIR)
            information = similarity(reference[brain], scan.voxels[brain])
            ratio = alignment(fixed, scan, brain)
            measured.setdefault((cohort, name), []).append((ratio, information))
    figures = []
    headline = {}
    for (cohort, name), rows in measured.items():
        ratio, information = np.array(rows).T
        print(
            f"{cohort}  {name:30} ratio {ratio.min():.2f} to {ratio.max():.2f}  information "
            f"{information.min():.3f} to {information.max():.3f}  of {len(rows)}"
        )
        headline[f"{cohort}, {name}"] = {
            "lowest ratio": ratio.min(),
            "highest ratio": ratio.max(),
            "lowest information": information.min(),
            "highest information": information.max(),
        }
        figures.append(
            {
                "cohort": cohort,
                "move": name,
                "ratio": ratio.tolist(),
                "information": information.tolist(),
            }
        )
    print(json.dumps({"unit": "NMI over its mean 5 mm away", "figures": figures}))
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

"""Known rigid and affine movements of real heads: FLAME's registration compared with SimpleITK's.

    python benchmarks/registration.py DATA [--quick]

Every case is a real image resampled under a random movement (seeded by its number), so that the
true movement is known; the header of the moved image does not contain it. The error of a case is
the mean remaining displacement over the head in mm. A failure is an error above one voxel diagonal
plus 2 mm.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from result_line import add_quick, print_result_line
from scipy.ndimage import affine_transform, gaussian_filter1d
from scipy.spatial.transform import Rotation

from flame.core.errors import StageFailed
from flame.preprocessing.stages.itk_registration import register as itk
from flame.preprocessing.stages.linear_registration import register as flame

DEGREES = 40.0
"""Largest angle of a rigid movement."""
SHIFT_MM = 30.0
"""Largest shift along each axis."""
SCALE = 0.15
"""Largest relative change of scale of an affine movement."""


@dataclass(frozen=True)
class Case:
    """One pair of images with a known movement.

    Args:
        name: name of the recipe.
        fixed: voxels and affine of the fixed image.
        moving: voxels and affine of the moving image.
        truth: (4, 4) matrix from the moving to the fixed world, in mm.
    """

    name: str
    fixed: tuple[np.ndarray, np.ndarray]
    moving: tuple[np.ndarray, np.ndarray]
    truth: np.ndarray


def read(path: Path, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Read voxels (float32, from 0) and affine of a NIfTI file: each ``every``-th voxel by axis."""
    image = nib.load(path)
    voxels = np.squeeze(image.get_fdata(dtype=np.float32))
    voxels = voxels[::every, ::every, ::every]
    return voxels - voxels.min(), image.affine @ np.diag([every, every, every, 1.0])


def movement(rng: np.random.Generator, kind: str, centre: np.ndarray) -> np.ndarray:
    """Draw a movement about ``centre``: up to 40 degrees (affine 25), 30 mm and 15 % of scale."""
    degrees = DEGREES if kind == "rigid" else 25.0
    axis = rng.normal(size=3)
    angle = np.radians(degrees) * rng.uniform(0.2, 1)
    linear = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle).as_matrix()
    if kind == "affine":
        linear = linear @ (np.diag(rng.uniform(1 - SCALE, 1 + SCALE, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre - linear @ centre + rng.uniform(-SHIFT_MM, SHIFT_MM, 3)
    return matrix


def moved(
    image: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    rng: np.random.Generator,
    step: float = 0.0,
    bias: float = 0.0,
    slab: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Resample an image as a scanner sees it with the head moved by the inverse of ``truth``.

    ``step`` is the new thickness of slices in mm (0: unchanged), ``bias`` the log amplitude of a
    smooth bias field, and ``slab`` the share of the slices that remains.
    """
    voxels, affine = image
    shape = list(voxels.shape)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    grid = affine.copy()
    if step:
        factor = step / spacing[2]
        grid[:3, 2] *= factor
        shape[2] = int(shape[2] / factor)
        voxels = gaussian_filter1d(voxels, factor / 2.355, axis=2)
    if slab < 1:
        cut = int(shape[2] * (1 - slab) / 2)
        grid[:3, 3] += grid[:3, 2] * cut
        shape[2] -= 2 * cut
    pull = np.linalg.inv(affine) @ truth @ grid
    out = affine_transform(voxels, pull[:3, :3], pull[:3, 3], output_shape=shape, order=3)
    ramp = np.indices(shape) / np.array(shape)[:, None, None, None] - 0.5
    out *= np.exp(bias * (ramp[0] - ramp[1] + ramp[2] ** 2 * 2))
    out += rng.normal(scale=0.02 * np.quantile(voxels, 0.98), size=shape)
    return np.clip(out, 0, None).astype(np.float32), grid


def cases(data: Path, kind: str, count: int, every: int) -> Iterator[Case]:
    """Yield whole heads, tumours, pairs of sequences, thick slices, slabs and bias in turn."""
    brats18 = [data / f"imaging/brats2018/case_{n}" for n in (0, 2, 3, 5, 6, 7, 8)]
    brats13 = sorted((data / "imaging/brats2013").iterdir())
    head = data / "heads/t1_crop.nii.gz"
    whole = data / "templates/brats_mni152_t1_1mm_unstripped.nii.gz"
    recipes: list[tuple[str, Path, Path, dict[str, float]]] = [
        ("head", head, head, {}),
        ("head, bias", head, head, {"bias": 0.8}),
        ("head, 5.5 mm slices", head, head, {"step": 5.5}),
        ("head, half field of view", head, head, {"slab": 0.5}),
        ("template head", whole, whole, {"bias": 0.4}),
    ]
    for a in brats18:
        recipes += [
            (f"{a.name} T1, FLAIR", a / "T1.nii.gz", a / "FLAIR.nii.gz", {}),
            (f"{a.name} T1, FLAIR 5 mm", a / "T1.nii.gz", a / "FLAIR.nii.gz", {"step": 5.0}),
        ]
    for a in brats13:
        t1c = a / "T1c_subtrMeanDivStd.nii.gz"
        flair = a / "Flair_subtrMeanDivStd.nii.gz"
        recipes += [("2013 T1c, FLAIR", t1c, flair, {}), ("2013 FLAIR, T1c", flair, t1c, {})]
    for number in range(count):
        name, fixed_path, moving_path, changes = recipes[number % len(recipes)]
        rng = np.random.default_rng(number)
        fixed = read(fixed_path, every)
        source = read(moving_path, every)
        middle = source[1] @ [*(np.array(source[0].shape) / 2), 1]
        truth = movement(rng, kind, middle[:3])
        yield Case(name, fixed, moved(source, truth, rng, **changes), truth)


def error(estimate: np.ndarray, case: Case) -> float:
    """Return the mean displacement between estimated and true movement over the head in mm."""
    voxels, affine = case.moving
    index = np.argwhere(voxels > voxels.mean())[::97]
    world = np.c_[index, np.ones(len(index))] @ affine.T
    return float(np.linalg.norm((world @ (estimate - case.truth).T)[:, :3], axis=1).mean())


def run(method: Callable[..., np.ndarray], case: Case, kind: str) -> tuple[float, float]:
    """Return the error in mm, infinite if the method failed, and the CPU seconds."""
    start = time.process_time()
    try:
        estimate = method(*case.fixed, *case.moving, kind)
    except StageFailed:
        return float("inf"), time.process_time() - start
    return error(estimate, case), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    add_quick(parser, "one case of each kind, of every other voxel")
    parser.add_argument("--only-flame", action="store_true")
    arguments = parser.parse_args()
    count = 1 if arguments.quick else 30
    every = 2 if arguments.quick else 1
    methods = {"flame": flame} | ({} if arguments.only_flame else {"SimpleITK": itk})
    warm = next(cases(arguments.data, "affine", 1, every))
    flame(
        *warm.fixed, *warm.moving, "affine"
    )  # compiles once, as a user's cache is filled after the first run
    figures = {}
    for kind in ("rigid", "affine"):
        table: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
        for case in cases(arguments.data, kind, count, every):
            voxel = float(np.linalg.norm(np.linalg.norm(case.moving[1][:3, :3], axis=0)))
            line = f"{kind:7} {case.name:28}"
            for name, method in methods.items():
                mm, seconds = run(method, case, kind)
                table[name].append((mm, seconds, mm > voxel + 2))
                line += f"  {name} {mm:6.2f} mm {seconds:5.2f} s"
            print(line, flush=True)
        for name, rows in table.items():
            good = [mm for mm, _, failed in rows if not failed]
            figures[f"{kind} {name}"] = {
                "median_mm": float(np.median(good)),
                "max_mm": float(np.max(good)),
                "failures": int(sum(failed for *_, failed in rows)),
                "cases": len(rows),
                "cpu_s": float(np.mean([s for _, s, _ in rows])),
            }
    for name, row in figures.items():
        print(f"{name:18}", "  ".join(f"{k} {v:.2f}" for k, v in row.items()))
    print(json.dumps({"unit": "mm and CPU-s a case", "seeds": count, "figures": figures}))
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

"""Two days of real patients: agreement of the tumour masks after three ways of registration.

    python benchmarks/days.py DATA [--quick]

Eight patients of DATA/imaging/brain_tumor_progression, with the enhancing tumour drawn on the T1c
of two days, 27 to 415 days apart. The Dice of the two masks is taken on a grid of 1 mm in the world
of the first day, and the correlation (NCC) of the two scans in the brain outside the tumours, after

- the registration that comes with the data (SimpleITK, rigid, with the tumour masked out);
- an affine fit of each day to the template by itself;
- FLAME: the second day is moved rigidly onto the first, and both share its fit.

Tumours grow and shrink between the days, so no Dice can reach 1. ``mm`` is the mean distance
between FLAME's movement and that of the data, over the brain. ``alignment`` is the measure of the
quality check days_alignment after FLAME's movement; ``stranger`` is the same for the second day of
the next patient, moved onto the first day of this one.
"""

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from result_line import add_quick, print_result_line
from scipy.ndimage import distance_transform_edt

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.quality.alignment import alignment
from flame.preprocessing.stages.interpolation import coarse_grid, resample, resample_labels
from flame.preprocessing.stages.itk_registration import itk_to_affine
from flame.preprocessing.stages.patient_registration import ReferenceDay, to_reference_day
from flame.preprocessing.stages.stage import Place

GRID_MM = 1.0
"""Voxel size at which masks are compared, close to the 0.86 mm of the slices."""
MARGIN_MM = 5.0
"""Distance from the tumours within which the scans are not compared."""
WAYS = ("data", "template", "FLAME")


def day_of(folder: Path, name: str) -> Timepoint:
    image = nib.load(folder / f"{name}_t1c.nii.gz")
    scan = Scan(image.get_fdata(dtype=np.float32), np.asarray(image.affine, float), Sequence.T1C)
    return Timepoint(0, {Sequence.T1C: scan})


def mask_of(folder: Path, name: str) -> LabelMap:
    image = nib.load(folder / f"{name}_mask.nii.gz")
    return LabelMap((np.asarray(image.dataobj) > 0).astype(np.uint8), np.asarray(image.affine))


def to_template(
    timepoint: Timepoint, day: ReferenceDay | None = None
) -> tuple[Timepoint, NDArray[np.float64]]:
    """Run the stages up to the template; return the day before it, and the affine map to it."""
    start = timepoint.scans[Sequence.T1C].affine
    before = timepoint
    for stage in stages(StageConfig(), day=day):
        if stage.place > Place.TEMPLATE:
            break
        if stage.place is Place.TEMPLATE:
            before = timepoint
        timepoint = stage(timepoint)
    assert timepoint.to_template is not None
    turned = timepoint.scans[Sequence.T1C].affine @ np.linalg.inv(start)
    return before, timepoint.to_template @ turned


def agreement(
    days: tuple[Timepoint, Timepoint], masks: tuple[LabelMap, LabelMap], move: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the Dice of the masks and the NCC of the scans, the second day moved by ``move``."""
    first, second = (day.scans[Sequence.T1C] for day in days)
    affine, shape = coarse_grid(first.affine, first.voxels.shape, GRID_MM)
    moved = LabelMap(masks[1].voxels, move @ masks[1].affine)
    a, b = (resample_labels(m, affine, shape).voxels > 0 for m in (masks[0], moved))
    assert days[0].brain is not None
    inside = resample_labels(days[0].brain, affine, shape).voxels > 0
    inside &= distance_transform_edt(~(a | b)) * GRID_MM > MARGIN_MM
    x = resample(first.voxels, first.affine, affine, shape)
    y = resample(second.voxels, move @ second.affine, affine, shape, np.nan)
    inside &= np.isfinite(y)
    dice = float(2 * (a & b).sum() / (a.sum() + b.sum()))
    return dice, float(np.corrcoef(x[inside], y[inside])[0, 1])


def distance(day: Timepoint, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the mean distance in mm between two movements of the brain of a day."""
    assert day.brain is not None
    index = np.argwhere(day.brain.voxels)[::97]
    world = np.c_[index, np.ones(len(index))] @ day.brain.affine.T
    return float(np.linalg.norm((world @ (a - b).T)[:, :3], axis=1).mean())


def alignment_of(first: Timepoint, second: Timepoint, move: NDArray[np.float64]) -> float:
    """Return how well the scans of two days are aligned, the second one moved by ``move``."""
    scans = first.scans[Sequence.T1C], second.scans[Sequence.T1C]
    affine, shape = coarse_grid(scans[0].affine, scans[0].voxels.shape, GRID_MM)
    inside = np.ones(shape, bool)
    images = []
    for scan, day, matrix in zip(scans, (first, second), (np.eye(4), move), strict=True):
        voxels = resample(scan.voxels, matrix @ scan.affine, affine, shape)
        images.append(Scan(voxels, affine, Sequence.T1C))
        assert day.brain is not None
        brain = LabelMap(day.brain.voxels, matrix @ day.brain.affine)
        inside &= resample_labels(brain, affine, shape).voxels > 0
    return alignment(*images, inside)


def measured(folder: Path, next_folder: Path) -> dict[str, float]:
    """Return the figures of one patient, by name."""
    target, matrix = to_template(day_of(folder, "pre"))
    estimate = {"matrix": matrix, "to_template": np.eye(4)}
    later = day_of(folder, "post")
    alone, alone_matrix = to_template(later)
    reference = ReferenceDay("01", folder.name, lambda: (target, estimate))
    _, together = to_template(later, reference)
    to_post = itk_to_affine(sitk.ReadTransform(str(folder / "post_to_pre.tfm")))
    back = np.linalg.inv(matrix)
    moves = [np.linalg.inv(to_post), back @ alone_matrix, back @ together]
    masks = mask_of(folder, "pre"), mask_of(folder, "post")
    row: dict[str, float] = {}
    for way, move in zip(WAYS, moves, strict=True):
        row[f"Dice {way}"], row[f"NCC {way}"] = agreement((target, alone), masks, move)
    row["mm"] = distance(alone, moves[2], moves[0])
    row["alignment"] = alignment_of(target, alone, moves[2])
    stranger, _ = to_template(day_of(next_folder, "post"))
    row["stranger"] = alignment_of(target, stranger, to_reference_day(target, stranger))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    add_quick(parser, "two patients")
    arguments = parser.parse_args()
    folders = sorted((arguments.data / "imaging/brain_tumor_progression").glob("PGBM-*"))
    folders = folders[-2:] if arguments.quick else folders
    figures = {}
    for number, folder in enumerate(folders):
        row = measured(folder, folders[(number + 1) % len(folders)])
        print(f"{folder.name}  ", "  ".join(f"{k} {v:.3f}" for k, v in row.items()), flush=True)
        figures[folder.name] = row
    print(json.dumps({"unit": "Dice, mm", "figures": figures}))
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

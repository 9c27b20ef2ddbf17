"""Whole-tumour masks of real gliomas, cross-validated by patient: Dice, HD95 and training time.

    python benchmarks/segmentation.py DATA [--quick] [--folds 3] [--steps 1600] [--elsewhere]

The 7 high-grade gliomas of one centre in DATA/imaging/brats2018 (FLAIR and T1, masks by experts). A
network trained from scratch without the patient predicts each patient. The number of steps fits
into 15 minutes on 2 cores. The input is both sequences, and each sequence alone. ``--elsewhere``
trains on all seven instead, and tests on FLAIR alone of 4 patients of other centres and scanners in
DATA/imaging/brats2013.
"""

import argparse
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from result_line import add_quick, print_result_line

from flame.core.imaging import Sequence
from flame.evaluation.images.forecast_scores import surface
from flame.models.segmentation.case_table import dice
from flame.models.segmentation.cases import CHANNELS, SegmentationCase
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.segmentation import SegmentationModel, mask_of
from flame.preprocessing.stages.interpolation import coarse_grid, resample

Volume = NDArray[np.float32]
FILES = {Sequence.T1: "T1", Sequence.FLAIR: "FLAIR"}
INPUTS = {
    "both": (Sequence.T1, Sequence.FLAIR),
    "FLAIR": (Sequence.FLAIR,),
    "T1": (Sequence.T1,),
}
"""Sequences that the network may see, by name."""
QUICK = SegmentationConfig(voxel_mm=4.0, patch=32, filters=8)


def read(folder: Path, voxel_mm: float) -> tuple[SegmentationCase, NDArray[np.bool_], tuple]:
    """Return a case on the network's grid, its true mask at 1 mm, and both grids."""
    truth = nib.load(folder / "GT_W.nii.gz")
    native = (np.asarray(truth.affine, float), truth.shape)
    grid = coarse_grid(*native, voxel_mm)
    images = np.zeros((*grid[1], len(CHANNELS)), np.float32)
    for sequence, name in FILES.items():
        voxels = nib.load(folder / f"{name}.nii.gz").get_fdata(dtype=np.float32)
        brain = voxels != 0
        scaled = np.where(brain, (voxels - voxels[brain].mean()) / voxels[brain].std(), 0)
        images[..., CHANNELS.index(sequence)] = resample(
            scaled.astype(np.float32), native[0], *grid
        )
    mask = np.asarray(truth.dataobj) > 0.5
    regions = np.full((*grid[1], 3), -1, np.float32)
    regions[..., 0] = resample(mask.astype(np.float32), native[0], *grid) > 0.5
    return SegmentationCase(images, regions), mask, (grid, native)


def elsewhere(data: Path, config: SegmentationConfig, steps: int) -> dict[str, float]:
    """Train on one centre and print the masks of patients of others; return the means."""
    folders = sorted((data / "imaging/brats2018").glob("case_*"))
    model = SegmentationModel(config)
    training = [read(f, config.voxel_mm)[0] for f in folders]
    weights, *_ = model.fit(model.build(0), training, steps, seed=0)
    rows = []
    for folder in sorted((data / "imaging/brats2013").glob("brats_*")):
        truth = nib.load(folder / "OTMultiClass.nii.gz")
        native = (np.asarray(truth.affine, float), truth.shape)
        grid = coarse_grid(*native, config.voxel_mm)
        brain = nib.load(folder / "brainmask.nii.gz").get_fdata() > 0.5
        voxels = nib.load(folder / "Flair_subtrMeanDivStd.nii.gz").get_fdata(dtype=np.float32)
        scaled = np.where(brain, (voxels - voxels[brain].mean()) / voxels[brain].std(), 0)
        images = np.zeros((*grid[1], len(CHANNELS)), np.float32)
        flair = resample(scaled.astype(np.float32), native[0], *grid)
        images[..., CHANNELS.index(Sequence.FLAIR)] = flair
        p = model.probability(weights, images)[..., 0]
        found = measures(
            mask_of(resample(p, grid[0], *native), 1e-3), np.asarray(truth.dataobj) > 0
        )
        print(f"{folder.name}  Dice {found[0]:.3f}  HD95 {found[1]:5.1f} mm", flush=True)
        rows.append(found)
    overlap, distance = np.mean(rows, axis=0)
    return {"elsewhere, mean Dice": overlap, "elsewhere, mean HD95 mm": distance}


def measures(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the Dice and the 95th percentile of the Hausdorff distance in mm."""
    return dice(predicted, truth), surface(predicted, truth, spacing=1.0)[0]


def main() -> None:
    config = SegmentationConfig()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=config.steps)
    parser.add_argument("--elsewhere", action="store_true", help="other centres instead")
    add_quick(parser, "one fold, one patient of it tested, 20 steps, 4 mm")
    arguments = parser.parse_args()
    config = QUICK if arguments.quick else config
    if arguments.elsewhere:
        found = elsewhere(arguments.data, config, 20 if arguments.quick else arguments.steps)
        print_result_line(__file__, arguments.quick, found)
        return
    folders = sorted((arguments.data / "imaging/brats2018").glob("case_*"))
    read_cases = [read(f, config.voxel_mm) for f in folders]
    steps = 20 if arguments.quick else arguments.steps
    folds = 1 if arguments.quick else arguments.folds
    rows = []
    for fold in range(folds):
        tested = range(fold, len(folders), arguments.folds)
        model = SegmentationModel(config)
        wall_start = time.perf_counter()
        cpu_start = time.process_time()
        training = [c for i, (c, *_) in enumerate(read_cases) if i not in tested]
        weights, *_ = model.fit(model.build(fold), training, steps, seed=fold)
        wall = time.perf_counter() - wall_start
        cpu = time.process_time() - cpu_start
        for index in tested[: 1 if arguments.quick else None]:
            case, truth, (grid, native) = read_cases[index]
            for name, inputs in INPUTS.items():
                images = case.images.copy()
                images[..., [i for i, s in enumerate(CHANNELS) if s not in inputs]] = 0
                p = model.probability(weights, images)[..., 0]
                predicted = mask_of(resample(p, grid[0], *native), 1e-3)
                overlap, hd95 = measures(predicted, truth)
                rows.append(
                    {
                        "case": folders[index].name,
                        "from": name,
                        "dice": overlap,
                        "hd95": hd95,
                        "fold": fold,
                        "train_wall_s": wall,
                        "train_cpu_s": cpu,
                    }
                )
                print(
                    f"fold {fold}  {folders[index].name}  {name:6} Dice {overlap:.3f}  HD95 "
                    f"{hd95:5.1f} mm  trained in {wall:.0f} s",
                    flush=True,
                )
    headline: dict[str, float] = {
        "training CPU s": float(np.mean([r["train_cpu_s"] for r in rows]))
    }
    for name in INPUTS:
        chosen = [r for r in rows if r["from"] == name]
        overlaps = np.array([r["dice"] for r in chosen])
        distances = np.array([r["hd95"] for r in chosen])
        print(
            f"{name:6} mean Dice {overlaps.mean():.3f} "
            f"({overlaps.min():.3f} to {overlaps.max():.3f})  "
            f"median HD95 {np.median(distances):.1f} mm  of {len(chosen)} patients"
        )
        headline |= {
            f"{name}, mean Dice": overlaps.mean(),
            f"{name}, median HD95 mm": np.median(distances),
        }
    print(json.dumps({"unit": "Dice, mm", "steps": steps, "folds": folds, "figures": rows}))
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

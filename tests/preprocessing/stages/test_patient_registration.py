"""Days of one patient, moved onto one another: a known movement is found again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput, StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.stages.brain_extraction import brain_extraction
from flame.preprocessing.stages.interpolation import coarse_grid, resample_labels
from flame.preprocessing.stages.itk_registration import itk_to_affine
from flame.preprocessing.stages.patient_registration import ReferenceDay, patient_registration
from flame.preprocessing.stages.stage import Place

FIT = {"matrix": np.eye(4), "to_template": np.diag([1.1, 0.9, 1.0, 1.0])}


def moved(timepoint: Timepoint, degrees: float, shift: float) -> tuple[Timepoint, np.ndarray]:
    """The day with another position in the scanner, and the matrix from there back."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [degrees, 0, degrees], degrees=True).as_matrix()
    matrix[:3, 3] = shift
    scans = {s: replace(v, affine=matrix @ v.affine) for s, v in timepoint.scans.items()}
    brain = timepoint.brain and replace(timepoint.brain, affine=matrix @ timepoint.brain.affine)
    return replace(timepoint, scans=scans, brain=brain), np.linalg.inv(matrix)


@pytest.fixture
def day(day_with_brain: Timepoint) -> ReferenceDay:
    return ReferenceDay("01", "key", lambda: (day_with_brain, FIT))


def apart(a: np.ndarray, b: np.ndarray, timepoint: Timepoint) -> float:
    """Largest distance in mm between two movements at the corners of the brain."""
    assert timepoint.brain is not None
    index = np.argwhere(timepoint.brain.voxels)
    world = np.c_[index, np.ones(len(index))] @ timepoint.brain.affine.T
    return float(np.linalg.norm((world @ (a - b).T)[:, :3], axis=1).max())


def test_a_movement_of_the_head_is_undone(day_with_brain: Timepoint, day: ReferenceDay) -> None:
    other, back = moved(day_with_brain, 8.0, 15.0)
    stage = patient_registration(day)
    matrix = stage.estimate(other)["matrix"]
    assert apart(matrix, back, other) < 0.5
    assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)  # rigid
    after = stage(other)
    assert np.allclose(after.scans[Sequence.FLAIR].affine, matrix @ other.scans["FLAIR"].affine)
    assert after.brain is not None
    assert np.allclose(after.brain.affine, matrix @ other.brain.affine)


def test_scans_of_one_sequence_are_compared(day_with_brain: Timepoint) -> None:
    blank = replace(
        day_with_brain.scans[Sequence.T1C],
        voxels=np.ones_like(day_with_brain.scans[Sequence.T1C].voxels),
        sequence=Sequence.T1,
    )
    scans = {Sequence.T1: blank, Sequence.FLAIR: day_with_brain.scans[Sequence.FLAIR]}
    target = replace(day_with_brain, scans=scans)
    later = {Sequence.FLAIR: day_with_brain.scans[Sequence.FLAIR]}
    other, back = moved(replace(day_with_brain, scans=later), 5.0, 4.0)
    day = ReferenceDay("01", "key", lambda: (target, FIT))
    assert apart(patient_registration(day).estimate(other)["matrix"], back, other) < 0.5


def test_the_fit_of_the_reference_day_is_shared(
    day_with_brain: Timepoint, day: ReferenceDay
) -> None:
    chain = {s.name: s for s in stages(StageConfig(), day=day)}
    assert chain["atlas_registration"].estimate(day_with_brain) is FIT
    assert chain["patient_registration"].place < chain["atlas_registration"].place


def test_the_reference_day_itself_stays(day_with_brain: Timepoint) -> None:
    stage = patient_registration()
    assert not stage.has_estimate
    assert np.array_equal(
        stage(day_with_brain).scans[Sequence.T1C].affine,
        day_with_brain.scans[Sequence.T1C].affine,
    )


def test_another_head_is_refused(day: ReferenceDay, day_with_brain: Timepoint) -> None:
    noise = np.random.default_rng(0).random((40, 40, 40)).astype(np.float32)
    other = Timepoint(0, {Sequence.T1C: Scan(noise, np.eye(4) * [4, 4, 4, 1], Sequence.T1C)})
    with pytest.raises(StageFailed, match="do not overlap"):
        patient_registration(day).estimate(other)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(BadInput, match="magic"):
        patient_registration(method="magic")


def test_a_day_of_flair_alone_borrows_the_brain(
    day_with_brain: Timepoint, day: ReferenceDay
) -> None:
    scans = {Sequence.FLAIR: day_with_brain.scans[Sequence.FLAIR]}
    other, _ = moved(replace(day_with_brain, scans=scans, brain=None), 8.0, 15.0)
    found = brain_extraction("deepbet", day=day).estimate(other)["brain"] > 0
    true = day_with_brain.brain.voxels > 0
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.97  # half a voxel of 4 mm
    with pytest.raises(StageFailed, match="the day has only FLAIR, and deepbet finds the brain"):
        brain_extraction("deepbet").estimate(other)


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["PGBM-007", "PGBM-016", "PGBM-017", "PGBM-019"])
def test_real_days_agree_as_after_direct_registration(
    shared: Callable[[str], Path], patient: str
) -> None:
    """Dice of the drawn masks, against the registration by SimpleITK that comes with the data."""
    folder = shared("imaging/brain_tumor_progression") / patient

    def read(name: str) -> tuple[np.ndarray, np.ndarray]:
        image = nib.load(folder / name)
        return image.get_fdata(dtype=np.float32), np.asarray(image.affine)

    def day_of(name: str) -> Timepoint:
        return Timepoint(0, {Sequence.T1C: Scan(*read(name), Sequence.T1C)})

    target, other = day_of("pre_t1c.nii.gz"), day_of("post_t1c.nii.gz")
    for stage in stages(StageConfig()):
        if stage.place < Place.BRAIN:
            target, other = stage(target), stage(other)
    day = ReferenceDay("01", "key", lambda: (target, FIT))
    move = patient_registration(day).estimate(other)["matrix"]
    direct = itk_to_affine(sitk.ReadTransform(str(folder / "post_to_pre.tfm")).GetInverse())
    first, second = (
        LabelMap((v > 0).astype(np.uint8), a)
        for v, a in (read("pre_mask.nii.gz"), read("post_mask.nii.gz"))
    )
    affine, shape = coarse_grid(first.affine, first.voxels.shape, 1.0)
    a = resample_labels(first, affine, shape).voxels > 0

    def dice(matrix: np.ndarray) -> float:
        b = resample_labels(replace(second, affine=matrix @ second.affine), affine, shape).voxels
        return float(2 * (a & (b > 0)).sum() / (a.sum() + (b > 0).sum()))

    assert dice(move) > dice(direct) - 0.02

"""Registrations against movements that the test itself applies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput, StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.models.clinical.lesions import lesions
from flame.preprocessing.stages.atlas_registration import atlas_registration, overlap, template
from flame.preprocessing.stages.coregistration import coregistration
from flame.preprocessing.stages.interpolation import resample_labels
from flame.preprocessing.stages.itk_registration import itk_to_affine, to_itk
from flame.preprocessing.stages.linear_registration import register, shrink
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.simulation.scanner import pose


def mean_error(matrix: np.ndarray, scan: Scan) -> float:
    """Mean displacement in mm that ``matrix`` causes over the head."""
    points = np.argwhere(scan.voxels > scan.voxels.mean())[::50]
    world = points @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    moved = world @ matrix[:3, :3].T + matrix[:3, 3]
    return float(np.linalg.norm(moved - world, axis=1).mean())


@pytest.mark.parametrize(
    ("method", "seed", "degrees"),
    [("flame", 0, 12), ("flame", 1, 25), ("flame", 2, 35), ("simpleitk", 0, 12)],
)
def test_coregistration_undoes_a_known_movement(
    head_day: Timepoint, method: str, seed: int, degrees: float
) -> None:
    moved = pose(np.random.default_rng(seed), degrees=degrees, mm=15)
    flair = head_day.scans[Sequence.FLAIR]
    shifted = replace(flair, affine=moved @ flair.affine)
    day = replace(head_day, scans={**head_day.scans, Sequence.FLAIR: shifted})
    found = coregistration(method)(day).scans[Sequence.FLAIR]
    residual = found.affine @ np.linalg.inv(flair.affine)
    assert mean_error(residual, flair) < 0.4  # a tenth of the 4 mm voxel
    assert np.array_equal(found.voxels, flair.voxels)  # nothing is interpolated yet


@pytest.mark.parametrize("seed", range(3))
def test_atlas_registration_undoes_a_known_affine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atlas = template(spacing=3.0)
    scale = np.diag([*rng.uniform(0.88, 1.12, 3), 1.0])
    moved = pose(rng, degrees=20, mm=30) @ scale
    scan = Scan(atlas.t1 * 1000, moved @ atlas.affine, Sequence.T1)
    day = Timepoint(0, {Sequence.T1: scan}, LabelMap(atlas.brain, moved @ atlas.affine))
    found = atlas_registration()(day)
    assert found.to_template is not None
    residual = found.to_template @ found.scans[Sequence.T1].affine @ np.linalg.inv(atlas.affine)
    assert mean_error(residual, replace(scan, affine=atlas.affine)) < 1.5  # half the 3 mm voxel


@pytest.mark.parametrize("scale", [(0.85, 0.85, 0.85), (0.9, 0.95, 1.12), (1.1, 0.88, 1.0)])
def test_a_ball_keeps_its_size_through_any_fit_to_the_atlas(scale: tuple[float, ...]) -> None:
    """A ball of radius 25 mm: 65.45 ml and two diameters of 50 mm, in any plane."""
    atlas = template(spacing=2.0)
    affine = pose(np.random.default_rng(1), degrees=20, mm=30) @ np.diag([*scale, 1.0])
    affine = affine @ atlas.affine
    scan = Scan(atlas.t1 * 1000, affine, Sequence.T1)
    grid = np.eye(4)
    grid[:3, 3] = (affine @ [*np.argwhere(atlas.brain).mean(axis=0), 1])[:3] - 30
    ball = np.linalg.norm(np.indices((61,) * 3) - 30.0, axis=0) <= 25
    found = atlas_registration()(Timepoint(0, {Sequence.T1: scan}, LabelMap(atlas.brain, affine)))
    move = found.scans[Sequence.T1].affine @ np.linalg.inv(affine)
    fine = template(spacing=1.0)
    mask = LabelMap(ball.astype(np.uint8), move @ grid)
    (lesion,) = lesions(resample_labels(mask, fine.affine, fine.t1.shape))
    assert found.to_template is not None
    assert abs(np.linalg.det(found.to_template[:3, :3]) - 1 / np.prod(scale)) < 0.05
    assert lesion.volume == pytest.approx(65.45, rel=0.02)
    assert (lesion.diameter, lesion.perpendicular) == pytest.approx((50, 50), rel=0.02)


def test_images_without_anything_in_common_fail() -> None:
    head = template(spacing=4.0)
    with pytest.raises(StageFailed, match="do not overlap"):
        register(head.t1, head.affine, np.zeros_like(head.t1), head.affine, "rigid")


def test_unknown_method_lists_the_choices() -> None:
    with pytest.raises(BadInput, match="did you mean 'simpleitk'"):
        REGISTRATIONS["simpelitk"]


def test_shrink_keeps_the_place_of_what_it_averages() -> None:
    # A linear ramp: the mean of a block is the ramp at its centre.
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    index = np.indices((24, 24, 8))
    ramp = (index[0] + 2 * index[1] + 15 * index[2]).astype(np.float32)
    small, scaled = shrink(ramp, affine, 3.0)
    assert small.shape == (8, 8, 8)  # thick slices stay
    world = scaled @ [3, 4, 2, 1]
    assert world[:3] == pytest.approx([10, 13, 10])
    assert small[3, 4, 2] == pytest.approx(10 + 2 * 13 + 15 * 2, abs=0.01)


def test_overlap_of_the_atlas_with_itself_is_one() -> None:
    atlas = template(spacing=3.0)
    assert overlap(LabelMap(atlas.brain, atlas.affine), atlas) == pytest.approx(1.0)


def test_itk_image_has_the_same_geometry() -> None:
    affine = pose(np.random.default_rng(0), 30, 50) @ np.diag([1.0, 2.0, 3.0, 1.0])
    image = to_itk(np.zeros((4, 5, 6), np.float32), affine)
    point = np.array(image.TransformIndexToPhysicalPoint((3, 2, 5)))
    assert np.allclose(point * [-1, -1, 1], (affine @ [3, 2, 5, 1])[:3])


def test_affine_of_an_itk_transform() -> None:
    import SimpleITK as sitk

    shift = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))
    assert np.allclose(itk_to_affine(shift)[:3, 3], [-1, -2, 3])  # LPS to RAS


def test_a_real_tumour_keeps_its_volume(shared: Callable[[str], Path]) -> None:
    """The affine fit alone made 139 ml of these 97 ml."""
    folder = shared("imaging/brats2018/case_7")
    image, drawn = (nib.load(folder / f"{name}.nii.gz") for name in ("T1", "GT_W"))
    voxels, affine = image.get_fdata(dtype=np.float32), np.asarray(image.affine, float)
    tumour = LabelMap((np.asarray(drawn.dataobj) > 0).astype(np.uint8), drawn.affine)
    scan = Scan(voxels, affine, Sequence.T1)
    brain = LabelMap((voxels > 0).astype(np.uint8), affine)
    found = atlas_registration()(Timepoint(0, {Sequence.T1: scan}, brain))
    move = found.scans[Sequence.T1].affine @ np.linalg.inv(affine)
    grid = template(spacing=1.0)
    moved = replace(tumour, affine=move @ tumour.affine)
    assert resample_labels(moved, grid.affine, grid.t1.shape).volume == pytest.approx(
        tumour.volume, rel=0.01
    )
    assert found.to_template is not None
    assert np.linalg.det(found.to_template[:3, :3]) > 1.3

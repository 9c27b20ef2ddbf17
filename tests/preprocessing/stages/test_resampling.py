import numpy as np
import SimpleITK as sitk

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.stages.atlas_registration import template, tissues
from flame.preprocessing.stages.interpolation import averaged, resample, resample_labels
from flame.preprocessing.stages.resampling import coarser, resampling


def test_resampling_is_exact_on_a_linear_image() -> None:
    # A linear ramp in world space survives any linear resampling: value = x + 2y + 3z.
    source = np.array([[2, 0, 0, -140], [0, 2, 0, -180], [0, 0, 2, -120], [0, 0, 0, 1.0]])
    index = np.indices((140, 160, 150)).reshape(3, -1).T
    ramp = (index @ source[:3, :3].T + source[:3, 3]) @ [1, 2, 3]
    grid = template(spacing=4.0)
    found = resample(
        ramp.reshape(140, 160, 150).astype(np.float32), source, grid.affine, grid.t1.shape
    )
    target = np.indices(grid.t1.shape).reshape(3, -1).T
    expected = (target @ grid.affine[:3, :3].T + grid.affine[:3, 3]) @ [1, 2, 3]
    inner = np.s_[3:-3, 3:-3, 3:-3]
    assert np.allclose(found[inner], expected.reshape(grid.t1.shape)[inner], atol=0.5)


def test_resampling_is_that_of_simpleitk() -> None:
    rng = np.random.default_rng(0)
    voxels = rng.random((40, 35, 30)).astype(np.float32)
    pull = np.eye(4)
    pull[:3, :3] += rng.normal(0, 0.1, (3, 3)) - 0.2 * np.eye(3)
    pull[:3, 3] = -4, 2, -3
    shape = (55, 50, 45)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(pull[:3, :3].ravel().tolist())
    transform.SetTranslation(pull[:3, 3].tolist())
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    expected = sitk.Resample(
        image,
        shape,
        transform,
        sitk.sitkLinear,
        (0.0,) * 3,
        (1.0,) * 3,
        np.eye(3).ravel().tolist(),
        -1.0,
    )
    found = resample(voxels, np.eye(4), pull, shape, -1.0)
    assert np.allclose(found, sitk.GetArrayFromImage(expected).T, atol=1e-5)
    assert 0.2 < (found == -1).mean() < 0.8


def test_averaging_fills_the_last_block_with_its_edge() -> None:
    voxels = np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    found, affine = averaged(voxels, np.eye(4), np.array([2, 1, 1]))
    assert found.ravel().tolist() == [0.5, 2.5, 4.0]
    assert affine[:3, 3].tolist() == [0.5, 0, 0]
    assert voxels.ravel().tolist() == [0, 1, 2, 3, 4]


def test_a_mask_keeps_its_volume_on_another_grid() -> None:
    index = np.indices((60, 60, 60))
    ball = (((index - 29.5) ** 2).sum(axis=0) < 20**2).astype(np.uint8)
    labels = LabelMap(ball, np.eye(4))
    other = np.diag([1.7, 1.3, 2.1, 1.0])
    found = resample_labels(labels, other, (36, 47, 29))
    assert abs(found.volume / labels.volume - 1) < 0.02


def test_a_thin_mask_is_not_cut_on_a_coarser_grid() -> None:
    mask = np.zeros((31, 31, 5), np.uint8)
    mask[5:26, 5:26, 3:] = 1  # touches the last plane
    labels = LabelMap(mask, np.diag([1.0, 1.0, 3.0, 1.0]))
    found = resample_labels(labels, np.diag([3.0, 3.0, 3.0, 1.0]), (12, 12, 8))
    assert abs(found.volume / labels.volume - 1) < 0.1


def test_coarser_keeps_the_corner_and_the_mean() -> None:
    voxels = np.random.default_rng(0).random((20, 24, 16)).astype(np.float32)
    scan = Scan(voxels, np.diag([2.0, 2.0, 2.0, 1.0]), Sequence.T1)
    brain = LabelMap(np.ones(voxels.shape, np.uint8), scan.affine)
    found = coarser(Timepoint(0, {Sequence.T1: scan}, brain), 4.0).scans[Sequence.T1]
    assert found.voxels.shape == (10, 12, 8)
    corner = found.affine @ [-0.5, -0.5, -0.5, 1]
    assert np.allclose(corner, scan.affine @ [-0.5, -0.5, -0.5, 1])
    assert abs(found.voxels[1:-1, 1:-1, 1:-1].mean() - 0.5) < 0.02


def test_coarser_leaves_the_same_spacing_alone() -> None:
    scan = Scan(np.ones((4, 4, 4), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]), Sequence.T1)
    day = Timepoint(0, {Sequence.T1: scan})
    assert coarser(day, 2.0) is day


def test_template_is_that_of_nilearn() -> None:
    from nilearn import datasets

    found = template(spacing=1.0)
    t1, brain = datasets.load_mni152_template(1), datasets.load_mni152_brain_mask(1)
    assert np.array_equal(found.t1, t1.get_fdata(dtype=np.float32))
    assert np.array_equal(found.brain, brain.get_fdata())
    assert np.array_equal(found.affine, t1.affine)


def test_tissues_are_those_of_nilearn() -> None:
    from nilearn import datasets

    grid = template(spacing=1.0)
    white, grey = tissues(grid.affine, grid.t1.shape)
    for found, name in ((white, "wm"), (grey, "gm")):
        expected = getattr(datasets, f"load_mni152_{name}_template")(1)
        assert np.allclose(found, expected.get_fdata(dtype=np.float32), atol=1e-4)


def test_coarser_template_keeps_volume_and_place() -> None:
    fine, coarse = template(spacing=1.0), template(spacing=3.0)
    a, b = LabelMap(fine.brain, fine.affine), LabelMap(coarse.brain, coarse.affine)
    assert abs(b.volume / a.volume - 1) < 0.02
    middle = [(m.affine @ [*np.argwhere(m.voxels).mean(axis=0), 1])[:3] for m in (a, b)]
    assert np.allclose(*middle, atol=0.3)


def test_scans_are_resampled_around_the_brain_alone() -> None:
    """A ramp in world space is exact in the brain and near it, and NaN far away."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-100, -130, -80]
    index = np.indices((100, 120, 100))
    world = np.moveaxis(index, 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    ramp = (world @ [1, 2, 3]).astype(np.float32)
    brain = (np.abs(world - [0, -20, 20]) < 30).all(axis=-1).astype(np.uint8)
    scan = Scan(ramp, affine, Sequence.T1)
    day = Timepoint(0, {Sequence.T1: scan}, LabelMap(brain, affine))
    found = resampling(spacing=1.0)(day)
    assert found.brain is not None
    voxels, inside = found.scans[Sequence.T1].voxels, found.brain.voxels > 0
    grid = found.scans[Sequence.T1].affine
    target = np.moveaxis(np.indices(voxels.shape), 0, -1) @ grid[:3, :3].T + grid[:3, 3]
    near = (np.abs(target - [0, -20, 20]) < 38).all(axis=-1)
    assert inside.any()
    assert np.allclose(voxels[near], (target @ [1, 2, 3])[near], atol=0.01)
    assert np.isnan(voxels[np.abs(target - [0, -20, 20]).max(axis=-1) > 45]).all()

"""N4 against ITK's own implementation on the same grid and mask."""

import numpy as np
import pytest
import SimpleITK as sitk

from flame.preprocessing.stages.n4 import (
    BSplineField,
    _basis,
    _refine,
    estimate_log_field,
    fit_log_field,
    grid,
)


def phantom(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three tissues in an ellipsoid under a smooth field of 40 % peak to peak."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (36, 40, 32)], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.9
    tissue = np.select([rng.random(x.shape) < 0.3, x**2 + z**2 < 0.3], [60.0, 140.0], 100.0)
    field = np.exp(0.2 * (x + 0.5 * y**2 - 0.3 * z * x))
    return (tissue * field + rng.normal(scale=2, size=x.shape)).clip(1), mask


@pytest.mark.parametrize("seed", [0, 1])
def test_field_equals_itk(seed: int) -> None:
    image, mask = phantom(seed)
    own = estimate_log_field(image, mask).sample(grid(image.shape))
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations([50] * 4)
    itk_image = sitk.GetImageFromArray(image.T.astype(np.float32))
    filter_.Execute(itk_image, sitk.GetImageFromArray(mask.T.astype(np.uint8)))
    itk = sitk.GetArrayFromImage(filter_.GetLogBiasFieldAsImage(itk_image)).T
    ratio = np.exp(own - itk)[mask]
    difference = np.abs(ratio / ratio.mean() - 1)
    assert difference.mean() < 1e-3  # the 0.1 % that the two may differ by
    assert difference.max() < 1e-2


def test_knot_insertion_keeps_the_field() -> None:
    control = np.random.default_rng(0).normal(size=(5, 4, 6))
    shape = (11, 9, 13)
    before = BSplineField(control).sample(grid(shape))
    after = BSplineField(_refine(control)).sample(grid(shape))
    assert np.allclose(before, after, atol=1e-12)


def test_basis_sums_to_one() -> None:
    assert np.allclose(_basis(np.linspace(0, 1, 17), 4).sum(axis=1), 1)


def test_flat_image_has_a_flat_field() -> None:
    rng = np.random.default_rng(0)
    image = rng.choice([50.0, 100.0, 150.0], size=(24, 24, 24)) + rng.normal(size=(24, 24, 24))
    log_field = estimate_log_field(image, np.ones(image.shape, bool)).sample(grid(image.shape))
    assert np.ptp(np.exp(log_field)) < 0.03


def test_a_field_of_the_spline_space_is_fitted_exactly() -> None:
    control = np.random.default_rng(0).normal(size=(11, 11, 11))
    shape = (30, 25, 20)
    values = BSplineField(control).sample(grid(shape))
    assert np.allclose(fit_log_field(values, 8).sample(grid(shape)), values, atol=1e-9)

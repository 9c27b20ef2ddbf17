"""The similarity against its definition and finite differences."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from flame.preprocessing.stages.mutual_information import Similarity, to_bins


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(40, 45, 38))
    return gaussian_filter(noise, 3).astype(np.float32)


def similarity(fixed: np.ndarray, moving: np.ndarray, count: int = 5000) -> Similarity:
    points = np.random.default_rng(1).uniform(5, 30, (count, 3)).astype(np.float32)
    values = map_coordinates(fixed, points.T, order=1).astype(np.float32)
    bins = np.rint(to_bins(values, values.min(), values.max())).astype(np.int64)
    whole = to_bins(moving, float(moving.min()), float(moving.max()))
    return Similarity(points, bins, whole, np.eye(4))


def test_gradient_is_that_of_finite_differences(smooth: np.ndarray) -> None:
    measure = similarity(-(smooth**2), smooth)
    at = np.eye(4)
    at[:3, 3], at[0, 1] = [0.3, 0.2, -0.1], 0.02
    _, shift, linear = measure(at)
    for row in range(3):
        for column in range(4):
            step = np.zeros((4, 4))
            step[row, column] = 1e-2 if column == 3 else 3e-4
            slope = (measure(at + step)[0] - measure(at - step)[0]) / (2 * step[row, column])
            found = shift[row] if column == 3 else linear[row, column]
            assert found == pytest.approx(slope, rel=0.01, abs=0.01)


def test_largest_where_the_images_match(smooth: np.ndarray) -> None:
    measure = similarity(-(smooth**2), smooth)
    at_rest = measure(np.eye(4))[0]
    for axis in range(3):
        moved = np.eye(4)
        moved[axis, 3] = 2.0
        assert measure(moved)[0] < 0.8 * at_rest


def test_independent_images_share_nothing(smooth: np.ndarray) -> None:
    other = gaussian_filter(np.random.default_rng(5).normal(size=smooth.shape), 3)
    noise = similarity(np.random.default_rng(6).normal(size=smooth.shape), other, 50_000)
    assert 0 <= noise(np.eye(4))[0] < 0.02


def test_images_that_hardly_overlap_have_no_similarity(smooth: np.ndarray) -> None:
    away = np.eye(4)
    away[0, 3] = 30.0
    value, shift, linear = similarity(smooth, smooth)(away)
    assert value == 0
    assert not shift.any()
    assert not linear.any()

"""Lesions by hand: ellipses with known axes, what is measurable, what is new."""

import numpy as np
import pytest

from flame.core.imaging import LabelMap
from flame.models.clinical.lesions import diameters, lesions, near

GRID = np.diag([1.0, 1, 2, 1])


def ellipsoid(axes: tuple[float, float, float], at: tuple[int, int, int]) -> np.ndarray:
    """Voxels within semi-axes in mm of a point, on a grid of 1 x 1 x 2 mm."""
    x, y, z = np.indices((80, 80, 30)).astype(float)
    away = ((x - at[0]) / axes[0]) ** 2 + ((y - at[1]) / axes[1]) ** 2
    return away + ((z - at[2]) * 2 / axes[2]) ** 2 <= 1


@pytest.mark.parametrize("angle", [0, 30, 77])
def test_axes_of_a_turned_ellipse(angle: float) -> None:
    x, y = np.indices((90, 90)) - 45.0
    turn = np.deg2rad(angle)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    longest, across = diameters((u / 30) ** 2 + (v / 12) ** 2 <= 1, np.ones(2))
    assert longest == pytest.approx(60, abs=1.5)
    assert across == pytest.approx(24, abs=1.5)


def test_a_crescent_is_measured_within_itself() -> None:
    # A ring segment of radii 20 and 24: its bounding width is far more than its thickness.
    x, y = np.indices((60, 60)) - 30.0
    radius = np.hypot(x, y)
    longest, across = diameters((radius <= 24) & (radius >= 20) & (y >= 0), np.ones(2))
    assert longest == pytest.approx(48, abs=2)
    assert across <= 26  # along the axis of symmetry the chord is the crescent's own


def test_two_lesions_by_hand() -> None:
    voxels = ellipsoid((15, 10, 8), (25, 25, 10)) | ellipsoid((4, 4, 4), (60, 60, 20))
    large, small = lesions(LabelMap(voxels.astype(np.uint8), GRID))
    assert large.volume == pytest.approx(4 / 3 * np.pi * 15 * 10 * 8 / 1000, rel=0.05)
    assert 30 * 20 <= large.product <= 31 * 21  # a voxel of 1 mm
    assert large.measurable
    assert not small.measurable  # 8 mm


def test_one_slice_is_not_measurable() -> None:
    voxels = ellipsoid((15, 10, 8), (25, 25, 10))
    voxels[:, :, :10] = voxels[:, :, 11:] = False
    (found,) = lesions(LabelMap(voxels.astype(np.uint8), GRID))
    assert (found.slices, found.measurable) == (1, False)


def test_near_is_within_five_millimetres() -> None:
    dot = np.zeros((30, 30, 30), np.uint8)
    dot[15, 15, 15] = 1
    around = near(lesions(LabelMap(dot, np.eye(4))), np.ones(3))
    assert around is not None
    assert around[20, 15, 15]
    assert not around[21, 15, 15]
    assert near([], np.ones(3)) is None


def test_an_empty_mask_has_none() -> None:
    assert lesions(LabelMap(np.zeros((5, 5, 5), np.uint8), GRID)) == []
    dot = np.zeros((5, 5, 5), np.uint8)
    dot[2, 2, 2] = 1
    (found,) = lesions(LabelMap(dot, GRID))
    assert (found.diameter, found.perpendicular) == (1, 1)

"""Features of made-up tumours by hand, and texture through MIRP."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.preprocessing.cohort.radiomics import FAMILIES, FAMILY_OF, expanded, measured, radiomics

GRID = np.diag([2.0, 2, 2, 1])
SHAPE = (24, 24, 24)


def day(number: int = -3, scans: bool = True) -> Timepoint:
    """A box of 10 x 6 x 6 voxels of 2 mm, T1 growing along x, a dose of 60 Gy with a cold edge."""
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[4:14, 4:10, 4:10] = 1
    t1 = np.broadcast_to(np.arange(24.0)[:, None, None], SHAPE).astype(np.float32)
    dose = np.full(SHAPE, 60, np.float32)
    dose[:5] = 30
    images = {Sequence.T1: Scan(t1, GRID, Sequence.T1)} if scans else {}
    return Timepoint(number, images, tumour=LabelMap(voxels, GRID), dose=DoseMap(dose, GRID, False))


def test_volume_shape_and_dose_by_hand() -> None:
    found = radiomics(day(), ["volume", "shape", "dose"])
    assert found["core_ml"] == pytest.approx(10 * 6 * 6 * 8 / 1000)
    assert np.isnan(found["whole_ml"])  # nobody drew it
    # Variances of a box are (n² - 1) / 12 voxels²: 99 to 35.
    assert found["core_elongation"] == pytest.approx(np.sqrt(99 / 35), rel=0.02)
    assert found["core_flatness"] == pytest.approx(1, rel=0.02)
    assert found["core_diameter"] == pytest.approx(2 * np.sqrt(9**2 + 5**2 + 5**2))
    assert 0 < found["core_roundness"] < 1
    # A tenth of the box is cold.
    assert found["dose_mean"] == pytest.approx(0.9 * 60 + 0.1 * 30)
    assert (found["dose_d2"], found["dose_d98"]) == (60, 30)


def test_grey_values_by_hand() -> None:
    found = radiomics(day(), ["first-order"])
    assert found["T1_core_mean"] == pytest.approx(np.arange(4, 14).mean())
    assert found["T1_core_sd"] == pytest.approx(np.sqrt(99 / 12))
    assert found["T1_core_skewness"] == pytest.approx(0, abs=1e-9)
    assert found["T1_core_entropy"] == pytest.approx(np.log2(10))  # ten values alike often
    assert np.isnan(found["FLAIR_core_mean"])


def test_a_flat_tumour_has_no_shape_of_grey_values() -> None:
    flat = day()
    scan = flat.scans[Sequence.T1]
    flat = replace(flat, scans={Sequence.T1: replace(scan, voxels=np.ones(SHAPE, np.float32))})
    found = radiomics(flat, ["first-order"])
    assert (found["T1_core_sd"], found["T1_core_kurtosis"], found["T1_core_entropy"]) == (0, 0, 0)


def test_texture_by_mirp() -> None:
    pytest.importorskip("mirp", reason="extra 'radiomics' is not installed")
    found = radiomics(day(), ["texture"])
    assert all(np.isfinite(v) for n, v in found.items() if n.startswith("T1_"))
    # Ten values over 32 levels lie 31/9 apart; of 26 directions 18 step along x (by one voxel).
    # Pairs in the box: one step along x 9 of 10, across 5 of 6.
    across = np.array([1.0, 2 * 5 / 6])  # none, or either way, along y or z
    along = 2 * 0.9 * across.sum() ** 2
    level = across.sum() ** 2 - 1
    steps = np.round(np.floor(np.arange(10) * 32 / 9.0000001)).clip(0, 31)
    square = np.mean(np.diff(steps) ** 2)
    expected = along * square / (along + level)
    assert found["T1_core_cm_contrast"] == pytest.approx(expected, rel=0.03)


def test_without_a_mask_or_a_day_everything_is_missing() -> None:
    for nothing in (None, Timepoint(0, {})):
        assert all(np.isnan(v) for v in radiomics(nothing, FAMILIES).values())


def test_the_day_before_radiotherapy_counts() -> None:
    grown = day(90)
    patient = Patient("p", (day(-3), grown), clinical={"age": 60.0})
    found = measured(["volume"])(patient).clinical
    assert found["age"] == 60
    assert found["core_ml"] == pytest.approx(2.88)
    assert np.isnan(measured(["volume"])(Patient("p", (grown,))).clinical["core_ml"])


def test_early_change_is_the_log_ratio_of_the_first_day_after_the_start() -> None:
    smaller = day(30)
    half = smaller.tumour
    assert half is not None
    voxels = half.voxels.copy()
    voxels[4:9] = 0  # five of ten planes
    smaller = replace(smaller, tumour=replace(half, voxels=voxels))
    found = measured(["early-change"])(Patient("p", (day(-3), smaller, day(50)))).clinical
    assert found["core_log_ml"] == pytest.approx(np.log(2.88))
    assert found["core_log_change"] == pytest.approx(np.log(0.5))


def test_a_late_day_is_no_early_change() -> None:
    found = measured(["early-change"])(Patient("p", (day(-3), day(61)))).clinical
    assert found["core_log_ml"] == pytest.approx(np.log(2.88))
    assert np.isnan(found["core_log_change"])


def test_families_by_name() -> None:
    assert expanded(["age", "radiomics.volume"]) == ("age", "core_ml", "whole_ml", "enhancing_ml")
    assert FAMILY_OF["T1C_core_mean"] == "first-order"
    with pytest.raises(BadInput, match=r"unknown features 'radiomics.form'.*shape"):
        expanded(["radiomics.form"])

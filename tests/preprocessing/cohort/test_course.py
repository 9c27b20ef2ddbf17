"""Features of a tumour's course, by hand on boxes, and nothing after the landmark."""

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import DoseMap, LabelMap
from flame.io.tumour_masks import ENHANCING
from flame.preprocessing.cohort.course import COURSE, before_landmark, course, delta
from flame.preprocessing.cohort.radiomics import FAMILIES, measured

AFFINE = np.diag([10.0, 10, 10, 1])  # a voxel is 1 ml


def day(number: int, side: int, hot: bool = True) -> Timepoint:
    """A cube of ``side`` voxels at the corner; the dose is high in the first 4 of 8 columns."""
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[:side, :side, :side] = 1
    half = mask.copy()
    half[side // 2 :] = 0
    dose = np.full((8, 8, 8), 10.0, np.float32)
    dose[:4] = 60.0
    return Timepoint(
        number,
        {},
        tumour=LabelMap(mask, AFFINE),
        regions={ENHANCING: LabelMap(half, AFFINE)},
        dose=DoseMap(dose, AFFINE, biological=False) if hot else None,
    )


PATIENT = Patient("p", (day(-10, 4), day(50, 2), day(80, 6), day(200, 8)), landmark=100.0)


def test_course_by_hand() -> None:
    """64 ml, then 8 ml, then 216 ml on day 80; the day 200 lies after the landmark."""
    found = course(PATIENT)
    assert tuple(found) == COURSE
    assert found["course_visits"] == 3
    assert found["course_days_since_imaging"] == 20
    assert found["course_log_ml"] == pytest.approx(np.log(216))
    assert found["course_log_change"] == pytest.approx(np.log(216 / 64))
    assert found["course_log_change_nadir"] == pytest.approx(np.log(216 / 8))
    assert found["course_log_rate"] == pytest.approx(np.log(216 / 8) / (30 / 30.4375))
    assert found["course_enhancing_log_change"] == pytest.approx(np.log(3 * 36 / (2 * 16)))
    # New are 216 - 64 voxels; of those in the first 4 of 6 columns: 4 * (36 - 16).
    assert found["course_new_in_high_dose"] == pytest.approx(80 / 152)


def test_one_day_has_no_change_and_none_is_nan() -> None:
    one = course(before_landmark(PATIENT, 0))
    assert one["course_log_ml"] == pytest.approx(np.log(64))
    assert np.isnan(one["course_log_change"])
    assert all(np.isnan(v) for v in course(before_landmark(PATIENT, -20)).values())


def test_no_dose_leaves_only_its_feature_unknown() -> None:
    patient = Patient("p", (day(-10, 2, hot=False), day(50, 4, hot=False)), landmark=60.0)
    unknown = [name for name, value in course(patient).items() if np.isnan(value)]
    assert unknown == ["course_new_in_high_dose"]


def test_radiomics_describe_the_landmark_and_deltas_the_change() -> None:
    seen = measured(["volume", "delta-volume", "course"])(PATIENT).clinical
    assert seen["core_ml"] == pytest.approx(216)
    assert seen["delta_core_ml"] == pytest.approx(216 - 64)
    assert seen["course_visits"] == 3
    assert set(FAMILIES["delta-volume"]) <= set(seen)
    before = measured(["volume", "delta-volume"])(before_landmark(PATIENT, 0)).clinical
    assert before["core_ml"] == pytest.approx(64)
    assert np.isnan(before["delta_core_ml"])


def test_delta() -> None:
    assert delta({"a": 1.0}, {"a": 3.0}) == {"delta_a": 2.0}

"""Dose-volume figures against closed forms and an independent implementation."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import dicomio

from flame.core.imaging import DoseMap, LabelMap
from flame.io.dicom.dose import PlanDose, read_doses
from flame.io.dicom.structures import read_region
from flame.preprocessing.radiotherapy.dose_volume import dose_volume
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_structures

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = (-60.0, -60.0, -60.0)
SHAPE = (61, 61, 61)


def as_dose(voxels: np.ndarray, affine: np.ndarray = AFFINE) -> PlanDose:
    return PlanDose(DoseMap(voxels.astype(np.float32), affine, False), None, True, Path())


def test_a_ramp_over_a_box_has_known_quantiles() -> None:
    """Dose 1 Gy per mm along x, from 10 to 50 Gy over the box: every quantile is on the line."""
    x = np.indices(SHAPE)[0] * 2.0
    box = np.zeros((81, 40, 40), np.uint8)
    box[:80] = 1
    grid = np.diag([0.5, 1.0, 1.0, 1.0])
    grid[:3, 3] = (-50 + 0.25, -20, -20)  # faces at x = -50 and -10 mm, 10 and 50 Gy
    found = dose_volume("GTV", [LabelMap(box, grid)], [as_dose(x)])
    assert found.ml == pytest.approx(64.0)
    assert (found.d98, found.d95, found.d50, found.d2) == pytest.approx(
        (10.8, 12, 30, 49.2), abs=0.5
    )
    assert found.mean == pytest.approx(30, abs=0.1)
    assert found.above == pytest.approx((1.0, 0.75, 0.5, 0.25, 0.0, 0.0), abs=0.01)


def test_doses_are_added_and_nothing_is_beyond_them() -> None:
    ball = (np.linalg.norm(np.indices(SHAPE) - 30, axis=0) < 5).astype(np.uint8)
    twice = [as_dose(np.full(SHAPE, 20.0))] * 2
    assert dose_volume("GTV", [LabelMap(ball, AFFINE)], twice).mean == pytest.approx(40)
    far = AFFINE.copy()
    far[0, 3] += 500
    assert dose_volume("GTV", [LabelMap(ball, far)], twice).mean == 0
    assert dose_volume("GTV", [LabelMap(ball, AFFINE)], []) is None
    assert dose_volume("GTV", [LabelMap(ball * 0, AFFINE)], twice) is None


def test_what_lies_in_two_parts_counts_once() -> None:
    """A cube of 8 ml inside one of 64 ml: 64 ml, not 72."""
    large, small = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    large[10:30, 10:30, 10:30] = 1
    small[15:25, 15:25, 15:25] = 1
    dose = np.where(small > 0, 60.0, 40.0)
    for masks in ([large, small], [small, large]):
        found = dose_volume("PTV", [LabelMap(m, AFFINE) for m in masks], [as_dose(dose)])
        assert found.ml == pytest.approx(64.0)
        assert found.above[5] == pytest.approx(8 / 64)


@pytest.mark.filterwarnings("ignore:The 'pydicom.pixel_data_handlers'")
def test_figures_agree_with_dicompyler_core(tmp_path: Path, monkeypatch) -> None:
    """Within 1 % of the prescription, for a smooth dose and a region of 100 ml."""
    # Version 0.5.6 imports a name that pydicom 3 gave up.
    monkeypatch.setattr(dicomio, "read_file", pydicom.dcmread, raising=False)
    dvhcalc = pytest.importorskip("dicompylercore.dvhcalc")
    index = np.indices(SHAPE) - 30
    distance = np.linalg.norm(index * 2.0, axis=0)
    dose = 60 * np.exp(-np.clip(distance - 15, 0, None) / 25)
    region = ((index[0] * 2) / 32) ** 2 + ((index[1] * 2) / 28) ** 2 + (index[2] * 2 / 26) ** 2 < 1
    write_structures(tmp_path / "RS.dcm", STUDY, {"CTV": region}, AFFINE)
    write_dose(tmp_path / "RD.dcm", STUDY, dose.astype(np.float32), AFFINE, False)
    theirs = dvhcalc.get_dvh(str(tmp_path / "RS.dcm"), str(tmp_path / "RD.dcm"), 1)
    mask = read_region(tmp_path / "RS.dcm", 1, STUDY.frame_uid)
    ours = dose_volume("CTV", [mask], read_doses([tmp_path / "RD.dcm"]))
    assert ours.ml == pytest.approx(theirs.volume, rel=0.01)
    expected = [float(getattr(theirs, n).value) for n in ("D98", "D95", "D50", "D2")]
    assert [ours.d98, ours.d95, ours.d50, ours.d2] == pytest.approx(expected, abs=0.6)
    assert ours.mean == pytest.approx(theirs.mean, abs=0.6)
    for level, share in zip((40, 50), ours.above[3:5], strict=True):
        volume = theirs.volume_constraint(level, "Gy").value
        assert share == pytest.approx(volume / theirs.volume, abs=0.01)

"""Radiotherapy written on a scan lands where that scan lands."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from flame.core.imaging import Sequence
from flame.preprocessing.radiotherapy_plan import RadiotherapyPlan, planned_maps
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_structures
from flame.simulation.scanner import pose

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
AFFINE = np.array([[2.0, 0, 0, -60], [0, 2, 0, -60], [0, 0, 2, -60], [0, 0, 0, 1]])
SHAPE = (60, 60, 60)


@pytest.fixture
def planned(tmp_path: Path) -> RadiotherapyPlan:
    index = np.indices(SHAPE)
    target = ((index - np.array([35, 28, 30])[:, None, None, None]) ** 2).sum(0) < 8**2
    write_structures(tmp_path / "RS.dcm", STUDY, target, AFFINE)
    write_dose(tmp_path / "RD.dcm", STUDY, np.where(target, 60, 5).astype(np.float32), AFFINE, True)
    return RadiotherapyPlan(
        STUDY.frame_uid, Sequence.T1C, (tmp_path / "RD.dcm",), (tmp_path / "RS.dcm",)
    )


def test_gtv_and_dose_move_with_their_scan(planned: RadiotherapyPlan) -> None:
    move = pose(np.random.default_rng(0), 15, 20)
    grid = AFFINE.copy()
    grid[:3, 3] = (move @ AFFINE @ [29.5, 29.5, 29.5, 1])[:3] - 80
    regions, dose, notes = planned_maps(planned, {Sequence.T1C: move}, grid, (80, 80, 80))
    assert not notes
    (tumour,) = regions.values()
    assert dose.biological
    assert tumour.volume == pytest.approx(4 / 3 * np.pi * 16**3 / 1000, rel=0.05)
    middle = grid @ [*np.argwhere(tumour.voxels).mean(axis=0), 1]
    assert middle[:3] == pytest.approx((move @ AFFINE @ [35, 28, 30, 1])[:3], abs=0.5)
    inside = tumour.voxels > 0
    assert np.median(dose.voxels[inside]) == pytest.approx(60, abs=0.5)


def test_what_cannot_be_used_is_left_out_with_a_note(planned: RadiotherapyPlan) -> None:
    wrong = RadiotherapyPlan("9.9", Sequence.T1C, (), planned.structures)
    regions, dose, notes = planned_maps(wrong, {Sequence.T1C: np.eye(4)}, AFFINE, SHAPE)
    assert (regions, dose) == ({}, None)
    assert notes == ["a GTV contour was left out: its frame of reference is not that of the images"]


def test_notes_of_what_else_there_is_are_kept(planned: RadiotherapyPlan) -> None:
    noted = replace(planned, notes=("RTDOSE drawn on FLAIR left out",))
    _, dose, notes = planned_maps(noted, {Sequence.T1C: np.eye(4)}, AFFINE, SHAPE)
    assert dose is not None
    assert notes == ["RTDOSE drawn on FLAIR left out"]


def test_without_radiotherapy_there_is_nothing() -> None:
    assert planned_maps(RadiotherapyPlan(), {}, AFFINE, SHAPE) == ({}, None, [])

"""Radiotherapy written on a scan lands where that scan lands."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from flame.core.imaging import LabelMap, Scan, Sequence
from flame.io.dicom.radiotherapy import GivenDose
from flame.preprocessing.radiotherapy.maps import PlannedMaps, Target, planned_maps
from flame.preprocessing.radiotherapy.plan import Drawn, Link, RadiotherapyPlan, Way
from flame.simulation.dicom_images import Study, uid
from flame.simulation.dicom_radiotherapy import write_dose, write_structures
from flame.simulation.scanner import pose

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
AFFINE = np.array([[2.0, 0, 0, -60], [0, 2, 0, -60], [0, 0, 2, -60], [0, 0, 0, 1]])
SHAPE = (60, 60, 60)
BALL_ML = 4 / 3 * np.pi * 16**3 / 1000
LINK = Link(Sequence.T1C)


def target(move: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]) -> Target:
    scan = Scan(np.ones(SHAPE, np.float32), AFFINE, Sequence.T1C)
    brain = LabelMap(np.ones(shape, np.uint8), affine)
    return Target({Sequence.T1C: scan}, brain, {Sequence.T1C: move}, affine, shape)


STILL = target(np.eye(4), AFFINE, SHAPE)


@pytest.fixture
def planned(tmp_path: Path) -> RadiotherapyPlan:
    index = np.indices(SHAPE)
    ball = ((index - np.array([35, 28, 30])[:, None, None, None]) ** 2).sum(0) < 8**2
    write_structures(tmp_path / "RS.dcm", STUDY, {"GTV": ball}, AFFINE)
    write_dose(tmp_path / "RD.dcm", STUDY, np.where(ball, 60, 5).astype(np.float32), AFFINE, True)
    drawn = (
        Drawn(tmp_path / "RD.dcm", "RTDOSE", STUDY.frame_uid, LINK),
        Drawn(tmp_path / "RS.dcm", "RTSTRUCT", STUDY.frame_uid, LINK),
    )
    return RadiotherapyPlan(drawn)


def lies_at(mask: LabelMap, world: np.ndarray) -> bool:
    middle = mask.affine @ [*np.argwhere(mask.voxels).mean(axis=0), 1]
    return bool(np.allclose(middle[:3], world[:3], atol=0.5))


def test_gtv_and_dose_move_with_their_scan(planned: RadiotherapyPlan) -> None:
    move = pose(np.random.default_rng(0), 15, 20)
    grid = AFFINE.copy()
    grid[:3, 3] = (move @ AFFINE @ [29.5, 29.5, 29.5, 1])[:3] - 80
    found = planned_maps(planned, target(move, grid, (80, 80, 80)))
    assert not found.notes
    (tumour,) = found.regions.values()
    assert found.dose is not None
    assert found.dose.biological
    assert tumour.volume == pytest.approx(BALL_ML, rel=0.05)
    assert lies_at(tumour, move @ AFFINE @ [35, 28, 30, 1])
    inside = tumour.voxels > 0
    assert np.median(found.dose.voxels[inside]) == pytest.approx(60, abs=0.5)


def test_a_registration_carries_from_another_frame(planned: RadiotherapyPlan) -> None:
    shift = np.eye(4)
    shift[:3, 3] = [10, -6, 4]
    link = Link(Sequence.T1C, Way.REGISTRATION, shift)
    moved = replace(planned, drawn=tuple(replace(d, link=link) for d in planned.drawn))
    found = planned_maps(moved, STILL)
    assert lies_at(found.regions["core"], shift @ AFFINE @ [35, 28, 30, 1])
    assert set(found.ways) == {
        "RTDOSE on T1C: Spatial Registration object",
        "RTSTRUCT on T1C: Spatial Registration object",
    }


def test_figures_of_a_ball_in_two_levels_of_dose(planned: RadiotherapyPlan) -> None:
    (row,) = planned_maps(planned, STILL).dose_volume
    assert row.region == "GTV"
    assert row.ml == pytest.approx(BALL_ML, rel=0.05)
    assert (row.d50, row.d2) == pytest.approx((60, 60), abs=0.1)
    assert 55 < row.mean < 60  # the dose falls between the outermost voxels and their neighbours


def test_each_phase_has_its_own_place(planned: RadiotherapyPlan, tmp_path: Path) -> None:
    """The boost of 10 Gy covers a part of the grid only; the sum covers both extents."""
    small = np.full((20, 60, 60), 10, np.float32)
    write_dose(tmp_path / "boost.dcm", STUDY, small, AFFINE, True, 2)
    boost = Drawn(tmp_path / "boost.dcm", "RTDOSE", STUDY.frame_uid, LINK)
    uids = [uid(STUDY.study_uid, f"Plan {n}") for n in (1, 2)]
    plans = {u: GivenDose(frozenset({""}), 1.0, n) for n, u in enumerate(uids)}
    both = replace(planned, drawn=(*planned.drawn, boost), plans=plans)
    found = planned_maps(both, STILL)
    first, second = (p.voxels for p in found.phases)
    assert (first[35, 28, 30], second[35, 28, 30]) == (pytest.approx(60, abs=0.1), 0)
    assert (first[5, 5, 5], second[5, 5, 5]) == pytest.approx((5, 10), abs=0.1)
    assert found.dose is not None
    assert np.allclose(found.dose.voxels, first + second)
    assert not planned_maps(replace(planned, plans={uids[0]: plans[uids[0]]}), STILL).phases


def test_what_cannot_be_used_is_left_out_with_a_note(planned: RadiotherapyPlan) -> None:
    wrong = RadiotherapyPlan((replace(planned.of("RTSTRUCT")[0], frame="9.9"),))
    found = planned_maps(wrong, STILL)
    assert (found.regions, found.dose) == ({}, None)
    assert found.notes == (
        "a contour of GTV was left out: its frame of reference is not that of the images",
    )


def test_the_first_structure_set_with_a_region_counts(
    planned: RadiotherapyPlan, tmp_path: Path
) -> None:
    box = np.zeros(SHAPE, bool)
    box[10:20, 10:20, 10:20] = True
    write_structures(tmp_path / "later.dcm", STUDY, {"GTV": box}, AFFINE)
    later = Drawn(tmp_path / "later.dcm", "RTSTRUCT", STUDY.frame_uid, LINK)
    found = planned_maps(replace(planned, drawn=(later, *planned.drawn)), STILL)
    assert found.regions["core"].volume == pytest.approx(8.0, rel=0.05)


def test_notes_of_what_else_there_is_are_kept(planned: RadiotherapyPlan) -> None:
    noted = replace(planned, notes=("RTDOSE left out: no frame",))
    found = planned_maps(noted, STILL)
    assert found.dose is not None
    assert found.notes == ("RTDOSE left out: no frame",)


def test_without_radiotherapy_there_is_nothing() -> None:
    found = planned_maps(RadiotherapyPlan(), STILL)
    assert vars(found) == vars(PlannedMaps())

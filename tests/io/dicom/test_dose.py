"""Doses written here, with values that are known, and a real proton dose."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap
from flame.io.dicom.dose import read_doses
from flame.io.dicom.plan_versions import RT_ION_PLAN
from flame.io.dicom.radiotherapy import GivenDose
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 3, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]])


def ramp(scale: float = 1.0) -> np.ndarray:
    index = np.indices((6, 5, 4))
    return (scale * (index[0] + 10 * index[1] + 100 * index[2])).astype(np.float32)


def written(path: Path, dose: np.ndarray, **tags: object) -> Path:
    write_dose(path, STUDY, dose, AFFINE, biological=False)
    dataset = pydicom.dcmread(path)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def referring_to(path: Path, plan: str, sop_class: str | None = None) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = f"1.2.3.{plan}"
    dataset.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = f"1.2.9.{plan}"
    if sop_class:
        dataset.ReferencedRTPlanSequence[0].ReferencedSOPClassUID = sop_class
    dataset.save_as(path)
    return path


def plans(*numbers: str) -> dict[str, GivenDose]:
    """Plans of one beam without a number, as the writer refers to it."""
    return {f"1.2.9.{n}": GivenDose(frozenset({""})) for n in numbers}


def read_dose(paths: list[Path], plans: dict[str, GivenDose] | None = None) -> DoseMap:
    """Sum of doses that share one grid."""
    parts = read_doses(paths, plans)
    first = parts[0].dose
    assert all(np.array_equal(p.dose.affine, first.affine) for p in parts)
    weighted = any(p.dose.biological for p in parts if not p.neutral)
    return DoseMap(sum(p.dose.voxels for p in parts), first.affine, weighted)


def at(dose: DoseMap, world: tuple[float, float, float]) -> float:
    index = np.rint(np.linalg.inv(dose.affine) @ [*world, 1])[:3].astype(int)
    return float(dose.voxels[tuple(index)])


def test_every_grid_point_has_its_dose_in_gy(tmp_path: Path) -> None:
    dose = read_dose([written(tmp_path / "d.dcm", ramp())])
    assert not dose.biological
    for index in np.ndindex(6, 5, 4):
        world = AFFINE @ [*index, 1]
        assert at(dose, tuple(world[:3])) == pytest.approx(ramp()[index], abs=1e-3)


def test_absolute_frame_offsets_mean_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "d.dcm", ramp())
    expected = read_dose([path])
    z = float(pydicom.dcmread(path).ImagePositionPatient[2])
    found = read_dose([written(path, ramp(), GridFrameOffsetVector=[z + 4 * n for n in range(4)])])
    assert np.allclose(found.affine, expected.affine)


def test_descending_frames_are_put_in_order(tmp_path: Path) -> None:
    path = written(tmp_path / "d.dcm", ramp())
    expected = read_dose([path])
    dataset = pydicom.dcmread(path)
    planes = np.frombuffer(dataset.PixelData, np.uint32).reshape(4, 5, 6)[::-1]
    x, y, z = map(float, dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y, z + 12]
    dataset.GridFrameOffsetVector = [0, -4, -8, -12]
    dataset.PixelData = planes.tobytes()
    dataset.save_as(path)
    found = read_dose([path])
    assert np.allclose(found.affine, expected.affine)
    assert np.array_equal(found.voxels, expected.voxels)


def test_two_plans_are_summed_on_the_first_grid(tmp_path: Path) -> None:
    first = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    second = referring_to(written(tmp_path / "b.dcm", ramp(0.5)), "2")
    found = read_dose([first, second, first], plans("1", "2"))  # a copy counts once
    assert np.allclose(found.voxels, 1.5 * read_dose([first]).voxels, atol=1e-3)


def test_a_sum_over_plans_stands_for_plans_without_a_dose(tmp_path: Path) -> None:
    part = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    whole = referring_to(
        written(tmp_path / "b.dcm", ramp(1.1), DoseSummationType="MULTI_PLAN"), "2"
    )
    assert np.array_equal(read_dose([part, whole]).voxels, read_dose([whole]).voxels)
    alone = read_dose([part, whole], plans("1"))  # the plan that was given has its own
    assert np.array_equal(alone.voxels, read_dose([part]).voxels)
    with pytest.raises(UnreadableImage, match="is not that of the plans given"):
        read_dose([whole], plans("1"))


def test_a_dose_is_that_of_the_fractions_given(tmp_path: Path) -> None:
    path = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    half = {"1.2.9.1": GivenDose(frozenset({""}), 0.5)}
    assert np.allclose(read_dose([path], half).voxels, read_dose([path]).voxels / 2)


def test_a_plan_without_its_dose_is_named(tmp_path: Path) -> None:
    path = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    with pytest.raises(UnreadableImage, match="1 of 2 plans has no RT Dose"):
        read_dose([path], plans("1", "2"))


def test_a_difference_of_doses_is_no_dose(tmp_path: Path) -> None:
    error = written(tmp_path / "a.dcm", ramp(), DoseType="ERROR")
    with pytest.raises(UnreadableImage, match="is ERROR: a difference"):
        read_dose([error])
    dose = referring_to(written(tmp_path / "b.dcm", ramp()), "2")
    assert np.array_equal(read_dose([error, dose]).voxels, read_dose([dose]).voxels)


def test_photons_add_to_a_weighted_dose_but_unweighted_ions_do_not(tmp_path: Path) -> None:
    photon = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    carbon = written(tmp_path / "b.dcm", ramp(), DoseType="EFFECTIVE")
    referring_to(carbon, "2", RT_ION_PLAN)
    assert read_dose([photon, carbon], plans("1", "2")).biological
    proton = referring_to(written(tmp_path / "c.dcm", ramp()), "3", RT_ION_PLAN)
    assert not read_dose([proton]).biological
    with pytest.raises(UnreadableImage, match="physical and RBE-weighted"):
        read_dose([proton, carbon], plans("2", "3"))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"DoseUnits": "RELATIVE"}, "not in Gy"),
        ({"DoseGridScaling": 0}, "no dose grid scaling"),
        ({"GridFrameOffsetVector": [0, 4, 9, 12]}, "not evenly spaced"),
        ({"GridFrameOffsetVector": None}, "offsets are missing"),
        ({"DoseSummationType": "FRACTION"}, "no dose of a plan"),
        ({"NumberOfFrames": 9}, "cannot be decoded"),
        ({"GridFrameOffsetVector": [3, 7, 11, 15]}, "neither relative nor absolute"),
        ({"GridFrameOffsetVector": [0, 4, 8, 12, 16]}, "do not fit the number of frames"),
    ],
)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, tags: dict, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        read_dose([written(tmp_path / "d.dcm", ramp(), **tags)])


def test_only_treated_plans_count(tmp_path: Path) -> None:
    first = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    second = referring_to(written(tmp_path / "b.dcm", ramp(0.5)), "2")
    assert np.array_equal(read_dose([first, second], plans("2")).voxels, read_dose([second]).voxels)
    with pytest.raises(UnreadableImage, match="no RT Plan shows which were given"):
        read_dose([first, second])
    with pytest.raises(UnreadableImage, match="no dose of a plan that was given"):
        read_dose([first], plans("7"))


def test_a_plan_given_by_its_beams_adds_to_one_given_whole(tmp_path: Path) -> None:
    whole = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    beam = referring_to(written(tmp_path / "b.dcm", ramp(0.5), DoseSummationType="BEAM"), "2")
    found = read_dose([whole, beam], plans("1", "2"))
    assert np.allclose(found.voxels, 1.5 * read_dose([whole]).voxels, atol=1e-3)


def test_a_beam_without_its_dose_is_noticed(tmp_path: Path) -> None:
    beam = referring_to(written(tmp_path / "b.dcm", ramp(), DoseSummationType="BEAM"), "2")
    with pytest.raises(UnreadableImage, match="doses of 1 of the plan's 2 beams"):
        read_dose([beam], {"1.2.9.2": GivenDose(frozenset({"", "2"}))})
    with pytest.raises(UnreadableImage, match="no RT Plan shows how many"):
        read_dose([beam])


def test_absolute_offsets_of_a_grid_that_looks_down(tmp_path: Path) -> None:
    path = written(tmp_path / "d.dcm", ramp())
    dataset = pydicom.dcmread(path)
    z = float(dataset.ImagePositionPatient[2])
    dataset.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]  # normal to the feet
    dataset.GridFrameOffsetVector = [z + 4 * n for n in range(4)]
    dataset.save_as(path)
    found = read_dose([path])
    heights = [(found.affine @ [0, 0, k, 1])[2] for k in range(4)]
    assert sorted(heights) == pytest.approx([z, z + 4, z + 8, z + 12])


def test_two_doses_of_one_plan_are_refused(tmp_path: Path) -> None:
    first = referring_to(written(tmp_path / "a.dcm", ramp()), "1")
    second = referring_to(written(tmp_path / "b.dcm", ramp()), "1")
    dataset = pydicom.dcmread(second)
    dataset.SOPInstanceUID = "1.2.3.77"
    dataset.save_as(second)
    with pytest.raises(UnreadableImage, match="two doses for one plan"):
        read_dose([first, second])


def test_real_proton_dose(shared: Callable[[str], Path]) -> None:
    (path,) = shared("rt/aptg_proton/plan03_ramp_full").glob("RD*.dcm")
    dose = read_dose([path])
    assert dose.biological  # DoseType EFFECTIVE
    assert dose.voxels.shape == (107, 107, 110)
    assert np.allclose(np.linalg.norm(dose.affine[:3, :3], axis=0), 2)
    assert dose.voxels.max() == pytest.approx(65535 * 3.372591e-05, rel=1e-6)  # 16 bits, scaling


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"DoseGridScaling": 1e30}, "no dose in Gy"),
        ({"PixelSpacing": [0, 2]}, "spacing are damaged"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "directions"),
        ({"ImagePositionPatient": [1e30, 0, 0]}, "farther"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    tmp_path: Path, tags: dict[str, object], message: str
) -> None:
    with pytest.raises(UnreadableImage, match=message):
        read_dose([written(tmp_path / "a.dcm", ramp(), **tags)])

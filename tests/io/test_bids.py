"""Sessions on disk: what is written is read again, in the names of BIDS."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.io.bids import (
    SessionFiles,
    has_drawn_tumour,
    picture_path,
    read_timepoint,
    session_folder,
    session_sidecar,
    write_dataset_description,
    write_predicted_masks,
    write_session,
)

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = (-7.0, 5.0, 3.0)
SPACE = "individual"


def box(low: int, high: int) -> LabelMap:
    mask = np.zeros((6, 5, 4), np.uint8)
    mask[low:high, 1:3, 1:3] = 1
    return LabelMap(mask, AFFINE)


def day() -> Timepoint:
    rng = np.random.default_rng(0)
    scans = {
        sequence: Scan(rng.normal(size=(6, 5, 4)).astype(np.float32), AFFINE, sequence)
        for sequence in (Sequence.T1C, Sequence.FLAIR)
    }
    dose = DoseMap(np.full((6, 5, 4), 54.0, np.float32), AFFINE, True)
    regions = {"whole": box(1, 5)}
    to_template = np.diag([1.1, 1.2, 1.1, 1.0])
    return Timepoint(
        30, scans, box(0, 6), box(2, 4), dose, regions, template="SRI24", to_template=to_template
    )


def test_a_session_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_session(tmp_path, "p1", "02", SessionFiles(day(), picture=b"jpeg"), {"Day": 30})
    again = read_timepoint(tmp_path, "p1", "02", 30)
    for sequence, scan in day().scans.items():
        assert (again.scans[sequence].voxels == scan.voxels).all()
        assert np.allclose(again.scans[sequence].affine, AFFINE)
    assert again.tumour is not None
    assert again.dose is not None
    assert (again.tumour.voxels == box(2, 4).voxels).all()
    assert (again.regions["whole"].voxels == box(1, 5).voxels).all()
    assert again.dose.biological
    assert again.template == "SRI24"
    assert again.to_template == pytest.approx(np.diag([1.1, 1.2, 1.1, 1.0]))
    assert not again.predicted
    assert picture_path(tmp_path, "p1", "02").read_bytes() == b"jpeg"
    sidecar = session_sidecar(tmp_path, "p1", "02")
    assert sidecar is not None
    assert sidecar["Day"] == 30


def test_names_follow_bids_derivatives(tmp_path: Path) -> None:
    write_session(tmp_path, "p1", "02", SessionFiles(day()), {})
    folder = session_folder(tmp_path, "p1", "02") / "anat"
    names = {path.name for path in folder.glob("*.nii.gz")}
    stem = f"sub-p1_ses-02_space-{SPACE}"
    assert f"sub-p1_ses-02_ce-gad_space-{SPACE}_desc-preproc_T1w.nii.gz" in names
    assert f"{stem}_desc-preproc_FLAIR.nii.gz" in names
    assert f"{stem}_desc-brain_mask.nii.gz" in names
    assert f"{stem}_label-GTV_mask.nii.gz" in names
    description = folder.glob("*T1w.json")
    assert json.loads(next(description).read_text())["SkullStripped"]


def test_equal_voxels_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_session(tmp_path / name, "p1", "01", SessionFiles(day()), {})
    first, second = (sorted((tmp_path / name).rglob("*.nii.gz")) for name in ("one", "two"))
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]


def test_a_new_session_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    write_session(tmp_path, "p1", "01", SessionFiles(day()), {})
    without = replace(day(), tumour=None, dose=None, regions={})
    write_session(tmp_path, "p1", "01", SessionFiles(without), {})
    assert not has_drawn_tumour(tmp_path, "p1", "01")
    assert read_timepoint(tmp_path, "p1", "01", 0).dose is None
    assert [path.name for path in tmp_path.iterdir()] == ["sub-p1"]


def test_what_a_model_drew_counts_until_a_person_draws(tmp_path: Path) -> None:
    write_session(tmp_path, "p1", "01", SessionFiles(replace(day(), tumour=None)), {})
    write_predicted_masks(tmp_path, "p1", "01", {"core": box(0, 2)}, "a model")
    predicted = read_timepoint(tmp_path, "p1", "01", 0)
    assert predicted.predicted
    assert predicted.tumour is not None
    assert (predicted.tumour.voxels == box(0, 2).voxels).all()
    assert not has_drawn_tumour(tmp_path, "p1", "01")
    write_session(tmp_path, "p1", "02", SessionFiles(day()), {})
    write_predicted_masks(tmp_path, "p1", "02", {"core": box(0, 2)}, "a model")
    drawn = read_timepoint(tmp_path, "p1", "02", 0)
    assert not drawn.predicted
    assert drawn.tumour is not None
    assert (drawn.tumour.voxels == box(2, 4).voxels).all()


def test_a_cut_sidecar_is_no_finished_session(tmp_path: Path) -> None:
    write_session(tmp_path, "p1", "01", SessionFiles(day()), {"Day": 3})
    (path,) = session_folder(tmp_path, "p1", "01").glob("anat/*desc-brain_mask.json")
    path.write_text(path.read_text()[:-5])
    assert session_sidecar(tmp_path, "p1", "01") is None
    assert session_sidecar(tmp_path, "p1", "09") is None


def test_millimetres_and_dose_units_are_declared(tmp_path: Path) -> None:
    write_dataset_description(tmp_path, "a", True)
    write_session(tmp_path, "p1", "01", SessionFiles(day()), {})
    for path in tmp_path.rglob("*.nii.gz"):
        assert nib.load(path).header.get_xyzt_units()[0] == "mm"
    (dose,) = tmp_path.rglob("*dose*.json")
    assert json.loads(dose.read_text())["Units"] == "Gy"
    assert json.loads((tmp_path / "dataset_description.json").read_text())["Simulated"]

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.pixels import read_scan
from tests.helpers.dicom_series import write_mr_series


def test_empty_folder_no_folder_no_dicom(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a folder"):
        inspect_folder(tmp_path / "none")
    with pytest.raises(BadInput, match="is empty"):
        inspect_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BadInput, match="1 files but no DICOM"):
        inspect_folder(tmp_path)


def test_truncated_file_is_listed_and_its_gap_refuses_the_series(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path, slices=14)
    paths[6].write_bytes(paths[6].read_bytes()[:300])
    report = inspect_folder(tmp_path)
    assert [u.path for u in report.unreadable] == [paths[6]]
    assert "missing" in report.series[0].refused


def test_a_damaged_end_slice_refuses_the_series_though_the_rest_is_regular(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path, slices=14)
    paths[-1].write_bytes(paths[-1].read_bytes()[:300])
    (report,) = inspect_folder(tmp_path).series
    assert report.refused.startswith("a damaged DICOM file is in the folder of this series")


def test_of_two_t1_the_thinner_is_taken(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "thick", step=5.0, series="1")
    write_mr_series(tmp_path / "thin", step=1.0, series="2")
    report = inspect_folder(tmp_path)
    (taken,) = [s for s in report.series if s.taken]
    assert taken.series.folder.name == "thin"
    (refused,) = [s for s in report.series if not s.taken]
    assert "another T1" in refused.refused


def test_pixels_follow_positions_and_rescale(tmp_path: Path) -> None:
    write_mr_series(tmp_path, RescaleSlope=2.0, RescaleIntercept=-10.0)
    (study,) = inspect_folder(tmp_path).studies().values()
    geometry = study[Sequence.T1].geometry
    assert geometry is not None
    scan = read_scan(geometry, Sequence.T1)
    # The writer's values: noise from 0 to 89, row by row, plus 100 a slice in space order.
    rng = np.random.default_rng(0)
    stored = [rng.integers(0, 90, (8, 6)).T + 100 * z for z in range(12)]
    assert np.array_equal(scan.voxels, 2 * np.stack(stored, axis=-1) - 10)


def test_undecodable_pixels_name_the_file(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path)
    geometry = inspect_folder(tmp_path).series[0].geometry
    assert geometry is not None
    paths[3].write_bytes(paths[3].read_bytes()[:-40])
    with pytest.raises(BadInput, match=paths[3].name):
        read_scan(geometry, Sequence.T1)


def test_two_days_and_two_patients_are_apart(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", series="1")
    write_mr_series(tmp_path / "b", series="2", StudyDate="20200301")
    write_mr_series(tmp_path / "c", series="3", PatientID="zzz")
    keys = [(e.patient_id, str(e.day)) for e in inspect_folder(tmp_path).studies()]
    assert keys == [
        ("patient", "2020-01-01"),
        ("patient", "2020-03-01"),
        ("zzz", "2020-01-01"),
    ]


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_series_without_a_date_is_refused(tmp_path: Path) -> None:
    write_mr_series(tmp_path, StudyDate="XXXXXXXX")
    (report,) = inspect_folder(tmp_path).series
    assert "no valid date" in report.refused
    assert not inspect_folder(tmp_path).studies()


def test_without_patient_id_no_two_studies_become_one_patient(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", series="1", PatientID="")
    write_mr_series(tmp_path / "b", series="2", PatientID="", StudyInstanceUID="1.2.4")
    patients = {e.patient_id for e in inspect_folder(tmp_path).studies()}
    assert patients == {"study 1.2.3", "study 1.2.4"}


def test_burned_in_text_is_refused(tmp_path: Path) -> None:
    write_mr_series(tmp_path, BurnedInAnnotation="YES")
    assert "BurnedInAnnotation" in inspect_folder(tmp_path).series[0].refused


def test_simulated_and_real_images_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", series="1")
    write_mr_series(tmp_path / "b", series="2", ImageComments="FLAME simulation")
    with pytest.raises(BadInput, match="simulated and real"):
        assert inspect_folder(tmp_path).simulated

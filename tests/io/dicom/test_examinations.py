from pathlib import Path

from flame.core.imaging import Sequence
from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series

T2 = {
    "SeriesDescription": "t2",
    "ScanningSequence": "SE",
    "RepetitionTime": 4000.0,
    "EchoTime": 90.0,
    "InversionTime": None,
}


def test_two_examinations_of_one_day_stay_apart(tmp_path: Path) -> None:
    for name, study, time in (("a", "9.1", "150000"), ("b", "9.2", "080000")):
        write_mr_series(tmp_path / name, series=study, StudyInstanceUID=study, AcquisitionTime=time)
        write_mr_series(tmp_path / f"{name}2", series=f"{study}.2", StudyInstanceUID=study, **T2)
    found = inspect_folder(tmp_path).studies()
    assert [e.number for e in found] == [0, 1]
    uids = [{r.series.header.StudyInstanceUID for r in s.values()} for s in found.values()]
    assert uids == [{"9.2"}, {"9.1"}]  # the morning's first
    assert all(s.keys() == {Sequence.T1, Sequence.T2} for s in found.values())


def test_one_examination_split_over_two_studies_stays_one(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", series="1", StudyInstanceUID="9.1")
    write_mr_series(tmp_path / "b", series="2", StudyInstanceUID="9.2", **T2)
    ((examination, series),) = inspect_folder(tmp_path).studies().items()
    assert examination.number == 0
    assert series.keys() == {Sequence.T1, Sequence.T2}

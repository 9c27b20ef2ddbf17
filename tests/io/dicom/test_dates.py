"""One study is one examination: its day is what is plausible and consistent."""

from datetime import date
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series

T2 = {"SeriesDescription": "t2", "ScanningSequence": "SE", "InversionTime": None}
T2 |= {"RepetitionTime": 4000.0, "EchoTime": 90.0}


def days(folder: Path, dates: Path | None = None) -> set[date | None]:
    return {s.day for s in inspect_folder(folder, dates=dates).series}


def test_an_examination_over_midnight_is_one(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", AcquisitionDate="20200101", AcquisitionTime="235500")
    later = {**T2, "AcquisitionDate": "20200102", "AcquisitionTime": "000700"}
    write_mr_series(tmp_path / "b", series="2", **later)
    report = inspect_folder(tmp_path)
    assert len(report.studies()) == 1
    assert [s.day for s in report.series] == [date(2020, 1, 1)] * 2
    assert report.series[0].time < report.series[1].time


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"AcquisitionDate": "19000101"}, date(2020, 1, 1)),
        ({"AcquisitionDate": "********"}, date(2020, 1, 1)),
        ({"AcquisitionDate": "19000101", "SeriesDate": "00010101"}, date(2020, 1, 1)),
        ({"StudyDate": "19010101", "AcquisitionDate": "20190203"}, date(2019, 2, 3)),
        ({"StudyDate": None, "AcquisitionDateTime": "20190203101112"}, date(2019, 2, 3)),
        ({"StudyDate": None, "ContentDate": "20190203"}, date(2019, 2, 3)),
        ({"StudyDate": "2019.02.03"}, date(2019, 2, 3)),
        # two attributes were shifted, one was forgotten
        ({"SeriesDate": "20200101", "AcquisitionDate": "20150607"}, date(2020, 1, 1)),
    ],
)
def test_what_is_plausible_and_consistent(
    tmp_path: Path, tags: dict[str, object], expected: date
) -> None:
    write_mr_series(tmp_path, **tags)
    assert days(tmp_path) == {expected}


def test_a_series_without_a_date_has_that_of_its_study(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a")
    write_mr_series(tmp_path / "b", series="2", StudyDate=None, **T2)
    assert days(tmp_path) == {date(2020, 1, 1)}


def test_days_that_share_a_study_uid_stay_apart(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a")
    write_mr_series(tmp_path / "b", series="2", StudyDate="20200301")
    assert days(tmp_path) == {date(2020, 1, 1), date(2020, 3, 1)}


def test_a_table_names_the_days(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "d", StudyDate=None)
    table = tmp_path / "days.csv"
    table.write_text("study,date\n1.2.3,2021-05-06\n")
    assert days(tmp_path / "d", table) == {date(2021, 5, 6)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1.2.3,06.05.2021", "line 2: write dates as YYYY-MM-DD"),
        ("1.2.3,2021-05-06\n1.2.3,2021-05-07", "line 3: this study occurs twice"),
        ("9.9,2021-05-06", "9.9 is not in .*use a study_uid of flame inspect --json"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    write_mr_series(tmp_path / "d")
    table = tmp_path / "days.csv"
    table.write_text(f"study,date\n{rows}\n")
    with pytest.raises(BadInput, match=message):
        inspect_folder(tmp_path / "d", dates=table)

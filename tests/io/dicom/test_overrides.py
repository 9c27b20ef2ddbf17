from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series


def table(folder: Path, *rows: str) -> Path:
    path = folder / "sequences.csv"
    path.write_text("series,sequence\n" + "\n".join(rows) + "\n")
    return path


def test_a_person_names_and_leaves_out_series(tmp_path: Path) -> None:
    write_mr_series(
        tmp_path / "d" / "a",
        series="1",
        SeriesDescription="?",
        RepetitionTime=1500.0,
        EchoTime=40.0,
        InversionTime=None,
    )
    write_mr_series(tmp_path / "d" / "b", series="2")
    before = inspect_folder(tmp_path / "d")
    assert [s.taken for s in before.series] == [False, True]
    assert "name it with --sequences" in before.series[0].refused
    chosen = table(tmp_path, "1.2.3.1,t2", "1.2.3.2,None")
    named, left = inspect_folder(tmp_path / "d", overrides=chosen).series
    assert named.verdict.sequence is Sequence.T2
    assert named.verdict.rule == "override"
    assert left.refused == "left out by 'none' in the table of --sequences"


def test_geometry_is_checked_all_the_same(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "d")[5].unlink()
    (report,) = inspect_folder(tmp_path / "d", overrides=table(tmp_path, "1.2.3.1,T1")).series
    assert "slices are missing" in report.refused


def test_parts_of_one_series_are_named_apart(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "d" / "a")
    write_mr_series(tmp_path / "d" / "b", EchoTime=90.0, RepetitionTime=3000.0, InversionTime=None)
    report = inspect_folder(tmp_path / "d", overrides=table(tmp_path, "1.2.3.1/2,FLAIR"))
    assert [s.series.uid for s in report.series] == ["1.2.3.1/1", "1.2.3.1/2"]
    assert report.series[1].verdict.sequence is Sequence.FLAIR


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1.2.3.1,T1D"], "line 2: unknown sequence 'T1D': did you mean"),
        (["1.2.3.1,T1", "1.2.3.1,T2"], "line 3: series 1.2.3.1 occurs twice"),
        (["9.9,T1"], "9.9 is not in"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    write_mr_series(tmp_path / "d")
    with pytest.raises(BadInput, match=message):
        inspect_folder(tmp_path / "d", overrides=table(tmp_path, *rows))

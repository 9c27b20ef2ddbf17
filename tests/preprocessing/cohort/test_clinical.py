from datetime import date
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.preprocessing.cohort.clinical import read_clinical

HEADER = "patient_id\tage\tsex\tname\tresponse\tradiotherapy_start\n"


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "clinical.tsv"
    path.write_text("\ufeff" + HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_numbers_are_kept_text_is_dropped_and_ids_keep_their_zeros(tmp_path: Path) -> None:
    found = read_clinical(table(tmp_path, "007\t61\tF\tDoe\t1\t2020-01-06", "8\t\tM\tRoe\t\t"))
    assert found.rows["007"] == {"age": 61, "sex": 1, "response": 1}
    assert set(found.rows) == {"007", "8"}
    assert found.dropped == ("name",)
    assert found.starts == {"007": date(2020, 1, 6)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1\t6\tF\tx\t1\t", "1\t6\tF\tx\t1\t"], "line 3: this patient_id occurs twice"),
        (["1\t6\tF\tx\t2\t"], "column response: 2 is neither 0 nor 1"),
        (["1\t6\tF\tx\tgood\t"], "column response: not a number"),
        (["1\t6\tF\tx\t1\t06.01.2020"], "line 2, column radiotherapy_start: write dates as"),
    ],
)
def test_what_cannot_be_taken_names_the_line(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_clinical(table(tmp_path, *rows))


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text("patient_id;age;response\n1;60,5;1\n")
    found = read_clinical(path)
    assert found.dropped == ("age",)
    assert found.rows == {"1": {"response": 1}}


def test_numbers_that_identify_a_patient_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text(
        "patient_id,age,birth_date,MRN,visit,volume\n"
        "1,60,19600105,7731,20200106,19600\n2,51,19690222,7732,20210309,20200106\n"
    )
    found = read_clinical(path)
    assert found.rows["1"] == {"age": 60, "volume": 19600}
    assert found.dropped == ("birth_date", "MRN", "visit")

"""Declared columns: what a hospital writes is what the run means, or it is refused."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.io.columns import Columns, read_local
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines.train import with_features

COLUMNS = Columns(
    {"age": "years"}, {"age": (18.0, 110.0)}, {"sex": ("male", "female"), "grade": ("2", "3", "4")}
)


def local(tmp_path: Path, text: str) -> Columns:
    (tmp_path / "columns.toml").write_text(text)
    return read_local(tmp_path, COLUMNS)


def test_codes_of_a_hospital_become_those_of_the_run(tmp_path: Path) -> None:
    columns = local(tmp_path, '[sex]\ncolumn = "gender"\ncodes = {1 = "female", 2 = "male"}\n')
    assert columns.written("sex") == "gender"
    values = [columns.value({"gender": cell}, "sex", "t.csv") for cell in ("1", "2", "1.0", "Male")]
    assert values == [1.0, 0.0, 1.0, 0.0]
    assert np.isnan(columns.value({"gender": "unknown"}, "sex", "t.csv"))


def test_three_categories_are_a_feature_each_but_the_first() -> None:
    rows = [{"grade": cell} for cell in ("2", "3", "4", "")]
    found = [[COLUMNS.value(r, f, "t.csv") for f in COLUMNS.features("grade")] for r in rows]
    assert np.array_equal(found, [[0, 0], [1, 0], [0, 1], [np.nan, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("row", "feature", "message"),
    [
        ({"sex": "1"}, "sex", "none of male, female; say in columns.toml"),
        ({"age": "744"}, "age", "outside 18 to 110 years"),
        ({"age": "inf"}, "age", "not a number"),
        ({"grade": "5"}, "grade=3", "none of 2, 3, 4"),
    ],
)
def test_a_value_that_could_mean_something_else_is_refused(
    row: dict[str, str], feature: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        COLUMNS.value(row, feature, "t.csv, line 2")
    assert "t.csv, line 2" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[age]\nunit = "months"\n', "age is in months here, and the run declares years"),
        ('[sex.codes]\n1 = "femal"\n', "has 'femal'"),
        ('[sex]\ncode = {1 = "male"}\n', r"unknown key 'sex\.code'"),
        ("[sex\n", "not valid TOML"),
        ("sex = 1\n", r"write \[sex\]"),
    ],
)
def test_a_file_that_contradicts_the_run_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        local(tmp_path, text)


def test_two_hospitals_that_code_apart_read_alike(tmp_path: Path) -> None:
    """One writes M and F, the other 1 and 2 with a columns.toml; the features are the same."""
    tables = {"one": "M,4\nF,2\n", "two": "1,4\n2,2\n"}
    codes = {"one": '[sex.codes]\nM = "male"\nF = "female"\n'}
    codes["two"] = '[sex.codes]\n1 = "male"\n2 = "female"\n'
    values = []
    for name, rows in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "columns.toml").write_text(codes[name])
        lines = [f"{n},A,1,{row}" for n, row in enumerate(rows.splitlines())]
        text = "patient_id,centre,response,sex,grade\n" + "\n".join(lines)
        (tmp_path / name / "t.csv").write_text(text)
        data = DataConfig(
            table=str(tmp_path / name / "t.csv"),
            centres=("A",),
            categories=dict(COLUMNS.categories),
        )
        model = ResponseModelConfig(kind="logistic", clinical=("sex", "grade"))
        config = with_features(TrainConfig(data, model))
        assert config.model.clinical == ("sex", "grade=3", "grade=4")
        cohort = load_cohort(config, "A")
        values.append([list(p.clinical.values()) for p in cohort.patients])
    assert values[0] == values[1] == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("unknown", ["died", "censored", "left out"])
def test_a_missing_status_counts_as_declared(tmp_path: Path, unknown: str) -> None:
    (tmp_path / "t.csv").write_text("patient_id,centre,days,died\na,A,300,\nb,A,400,1\n")
    data = DataConfig(
        table=str(tmp_path / "t.csv"),
        centres=("A",),
        survival=("days", "died"),
        unknown_status=unknown,  # type: ignore[arg-type]
    )
    first = load_cohort(TrainConfig(data), "A").patients[0].outcome
    expected = {"died": (300.0, None), "censored": (300.0, False), "left out": (None, None)}
    assert (first.survival_days, first.died) == expected[unknown]


def test_what_a_hospital_explains_in_vain_is_refused(tmp_path: Path) -> None:
    plain = Columns()
    (tmp_path / "columns.toml").write_text('[sex.codes]\n1 = "male"\n')
    with pytest.raises(BadInput, match=r"no data\.categories\.sex"):
        read_local(tmp_path, plain, ["sex"])
    assert read_local(tmp_path, plain, ["age"]).local  # another run reads sex
    (tmp_path / "columns.toml").write_text('[age]\nunit = "months"\n')
    with pytest.raises(BadInput, match=r"no data\.units\.age"):
        read_local(tmp_path, plain, ["age"])


def test_numbers_as_categories_match_however_they_are_written() -> None:
    columns = Columns(categories={"resected": ("0", "1")})
    assert [columns.value({"resected": c}, "resected", "t") for c in ("0.0", "1")] == [0.0, 1.0]

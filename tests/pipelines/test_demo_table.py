"""The demonstration on a table: both questions, and clear errors where it cannot be used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.pipelines.demo_table import FEATURES, config_of, run


def table(path: Path, patients: int) -> Path:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"subject": [f"p{n}" for n in range(3 * patients)]})
    rows = rows.assign(centre=["a", "b", "c"] * patients, survival_status=1)
    rows = rows.assign(**{name: rng.integers(0, 2, len(rows)) for name in FEATURES})
    rows["age"] = rng.normal(60, 10, len(rows)).round()
    rows["survival_days"] = np.ceil(rng.exponential(400, len(rows)) * np.exp(1 - rows.age / 60))
    rows.to_csv(path, index=False)
    return path


def test_hospitals_with_too_few_patients_take_no_part(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 25)
    rows = pd.read_csv(path)
    rows.loc[(rows.centre == "c") & (rows.index % 2 == 0), "survival_days"] = np.nan
    rows.to_csv(path, index=False)
    assert sorted(config_of(path, "survival").data.centres) == ["a", "b"]
    with pytest.raises(BadInput, match="fewer than two hospitals have 20 patients"):
        config_of(table(tmp_path / "few.csv", 10), "survival")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 25)
    pd.read_csv(path).drop(columns="mgmt_status").to_csv(path, index=False)
    with pytest.raises(BadInput, match="mgmt_status"):
        config_of(path, "response")


def test_both_questions_end_in_an_index(tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv", 22), tmp_path / "out")
    page = result.html.read_text()
    assert "Real patients" in page
    assert "response/report.html" in page
    assert "survival/report.html" in page
    assert len(result.report.centres) == 3

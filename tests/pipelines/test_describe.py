"""The tables and the page of the centres, from a small table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.pipelines import describe, evaluate


def test_a_page_and_tables(toy: TrainConfig, tmp_path: Path) -> None:
    result = describe.run(toy, tmp_path / "run")
    assert result.features.feature.tolist() == ["x", "y"]
    assert result.centres["survival known"].tolist() == [24, 16]
    html = result.html.read_text()
    assert "Survival" in html.split("<svg")[0], "the curve has its heading"
    assert "fewer than 5 patients" in html
    assert "a0" not in html.split("<style>")[0] + html.split("</style>")[1].split("<svg")[0]


def test_a_description_cannot_be_evaluated(toy: TrainConfig, tmp_path: Path) -> None:
    describe.run(toy, tmp_path / "d")
    with pytest.raises(BadInput, match="describes cohorts and holds no model; run flame train"):
        evaluate.run(tmp_path / "d")


def test_nothing_is_filled_in(toy: TrainConfig, tmp_path: Path) -> None:
    table = pd.read_csv(toy.data.table)
    table.loc[[0, 1, 2, 3, 4, 5], "x"] = np.nan
    table.to_csv(tmp_path / "gaps.csv", index=False)
    data = replace(toy.data, table=str(tmp_path / "gaps.csv"), impute={"x": 1000.0})
    result = describe.run(replace(toy, data=data), tmp_path / "run")
    known = result.features.set_index("feature").known
    assert known["x"] == known["y"] - 6
    assert result.features.set_index("feature")["mean"]["x"] < 100

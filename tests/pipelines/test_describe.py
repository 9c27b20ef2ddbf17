"""The tables and the page of the centres, from a small table."""

from pathlib import Path

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

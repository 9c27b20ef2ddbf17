"""The demonstration, small: every stage runs and the report says that it is simulated."""

from pathlib import Path

import pytest

from flame.pipelines.demo import DemoConfig, run


@pytest.mark.slow
def test_small_demo(tmp_path: Path) -> None:
    config = DemoConfig(str(tmp_path), centres=2, patients=4, spacing=4.0, engine="in-process")
    result = run(config)
    assert [s.name for s in result.timing.stages] == [
        "simulate", "inspect", "preprocess", "train", "evaluate",
    ]  # fmt: skip
    html = result.evaluation.html.read_text()
    assert "Simulated patients" in html
    assert html.count("<svg") == 6  # with the case
    assert result.evaluation.report.simulated
    again = run(config)
    preprocess = again.timing.stages[2]
    assert preprocess.seconds < result.timing.stages[2].seconds / 3

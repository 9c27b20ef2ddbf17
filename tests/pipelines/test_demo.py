"""The demonstration, small: every stage runs and the report says that it is simulated."""

from pathlib import Path

import pytest

from flame.pipelines.demo import DemoConfig, run


@pytest.mark.slow
def test_small_demo(tmp_path: Path) -> None:
    config = DemoConfig(str(tmp_path), centres=2, patients=4, spacing=4.0, engine="in-process")
    result = run(config)
    assert [s.name for s in result.timing.stages] == [
        "simulate",
        "inspect",
        "preprocess",
        "train",
        "evaluate",
    ]
    report = result.evaluation.report
    assert report.simulated
    assert "Simulated patients" in result.evaluation.html.read_text()
    scores = [s for s in report.scores if s.metric == "auc" and not s.reason]
    told = {s.model for s in scores}
    assert {"federated", "local", "pooled", "logistic, before radiotherapy"} <= told
    images = sorted((tmp_path / "bids").rglob("*.nii.gz"))
    before = [path.stat().st_mtime_ns for path in images]
    run(config)
    assert images
    assert [path.stat().st_mtime_ns for path in images] == before, "images were made again"

"""The demonstration, small: every step has its page, and a second call makes nothing again."""

import re
from pathlib import Path

import pytest

from flame.pipelines.demo import DemoConfig, run
from flame.pipelines.demo_patients import DemoPatients


@pytest.mark.slow
def test_small_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    patients = DemoPatients(centres=2, scanned=1, more=12, spacing=4.0, imaging_days=(-10, 30, 165))
    config = DemoConfig("out", patients, engine="in-process")
    result = run(config)
    assert [s.name for s in result.timing.stages] == [
        "simulate",
        "inspect",
        "preprocess",
        "more patients",
        "response",
        "survival",
        "forecast",
        "stream",
    ]
    assert result.report.simulated
    told = {s.model for s in result.report.scores if s.metric == "auc" and not s.reason}
    assert {"federated", "local", "pooled", "logistic, before radiotherapy"} <= told
    page = result.html.read_text()
    assert "Simulated patients" in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 6  # two of quality, and of response, survival, forecast and stream
    assert all((tmp_path / "out" / link).is_file() for link in links)
    images = sorted((tmp_path / "out" / "bids").rglob("*.nii.gz"))
    before = [path.stat().st_mtime_ns for path in images]
    run(config)
    assert images
    assert [path.stat().st_mtime_ns for path in images] == before, "images were made again"

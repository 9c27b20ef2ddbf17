"""Every page in Chromium: axe finds nothing serious, nothing is wider than a phone or a screen."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from flame.bundles.model import open_model
from flame.core.config import build
from flame.evaluation.metrics.cross_site_report import report_of
from flame.evaluation.pages import federation_page
from flame.evaluation.pages.forecast_page import render as forecast_page
from flame.evaluation.pages.index_page import Step
from flame.evaluation.pages.index_page import render as index_page
from flame.evaluation.pages.kit_page import Told, server_page
from flame.federation.config import TrainConfig
from flame.federation.run_files import RUNS
from flame.pipelines import describe, evaluate, export, monitor, predict, stream, train, validate
from flame.pipelines.demo_patients import DemoPatients
from flame.preprocessing.quality.checks import Check
from flame.preprocessing.quality.report import write_quality_report
from flame.preprocessing.study import StudyResult
from flame.streams.config import StreamConfig
from tests.evaluation.metrics.test_cross_site_report import TABLE
from tests.evaluation.pages.test_training_page import history
from tests.helpers.browser import findings, opened
from tests.helpers.forecasts import prediction

REFERENCES = Path(__file__).parent / "screenshots"
WIDTHS = (1400, 800, 390)
"""Widths of a screen, a tablet and a phone in pixels."""


def _trained(toy: TrainConfig, out: Path) -> Path:
    data = replace(toy.data, survival=("survival_days", "died"))
    config = replace(toy, data=data, task="survival", baselines={})
    train.run(config, out)
    return out


def report(toy: TrainConfig, out: Path) -> Path:
    train.run(toy, out / "run")
    return evaluate.run(out / "run").html


def survival_report(toy: TrainConfig, out: Path) -> Path:
    return evaluate.run(_trained(toy, out / "run")).html


def progress(toy: TrainConfig, out: Path) -> Path:
    train.run(toy, out / "run", only_whole=True)
    return monitor.run(out / "run", refresh_s=30).html


def description(toy: TrainConfig, out: Path) -> Path:
    return describe.run(toy, out / "run").html


def validation(toy: TrainConfig, out: Path) -> Path:
    export.run(_trained(toy, out / "run"), out / "model")
    return validate.run(out / "model", Path(toy.data.table), out / "new").html


def predictions(toy: TrainConfig, out: Path) -> Path:
    export.run(_trained(toy, out / "run"), out / "model")
    model = open_model(out / "model")
    return predict.predict_outcomes(model, Path(toy.data.table), out / "new").html


def drift(toy: TrainConfig, out: Path) -> Path:
    given = {
        "compare": ["local", "gossip", "oracle"],
        "seeds": [0, 1],
        "detectors": ["adwin"],
        "synthetic": {"source": "sine", "samples": 20},
        "schedule": {"nodes": 6, "steps": 5, "at": [2], "order": [0, 1]},
        "training": {"rounds": 4},
        "gossip": {"topology": "torus"},
    }
    return stream.run(build(StreamConfig, given, "the test"), out / "run").html


def quality(toy: TrainConfig, out: Path) -> Path:
    picture = out / "picture.jpg"
    Image.fromarray(np.full((60, 180), 90, np.uint8)).save(picture)
    checks = (Check("brain_ml", 1300.0, "pass"), Check("alignment_T2", 0.2, "review", "low"))
    days = [
        StudyResult(
            *("p1", f"0{n}", n, "done", "T1 T1C", 1300.0, 0.91, verdict, "a note"),
            checks=checks,
            picture=picture.read_bytes(),
        )
        for n, verdict in enumerate(("pass", "review", "fail"), 1)
    ]
    refused: list[dict[str, object]] = [{"rule": "geometry", "reason": "a gap"}]
    return write_quality_report(out, days, {}, refused, True)


def forecast(toy: TrainConfig, out: Path) -> Path:
    page = out / "prediction.html"
    page.write_text(forecast_page(prediction()))
    return page


def index(toy: TrainConfig, out: Path) -> Path:
    steps = [
        Step(name, name.title(), "Look here.", {"A page": out / "a.html"}, ["a"], [["1"]])
        for name in ("one", "two", "three")
    ]
    page = out / "index.html"
    page.write_text(index_page(out, "Demo", steps, "In words.", True, ["a"], DemoPatients()))
    return page


def dashboard(toy: TrainConfig, out: Path) -> Path:
    """Of a server whose run is that of another test, with a message that does not break."""
    train.run(toy, out / RUNS / "cnn", only_whole=True)
    texts = ("a joined", "b joined", "b is gone", "refused: " + "x" * 200)
    page = out / "dashboard.html"
    page.write_text(server_page(out, [Told("08:00", text) for text in texts], 30))
    return page


def federation(toy: TrainConfig, out: Path) -> Path:
    config = replace(toy, data=replace(toy.data, centres=("a", "b"), table="at-each-site"))
    rounds = history(
        {"site": "a", "patients": 30, "loss": 0.5, "seconds": 1.0},
        {"site": "b", "patients": 0, "loss": None, "lost": "was silent for 5 s"},
    )
    page = out / "report.html"
    scores = report_of(config, pd.read_csv(io.StringIO(TABLE)))
    page.write_text(federation_page.render(config, scores, rounds))
    return page


PAGES: tuple[Callable[[TrainConfig, Path], Path], ...] = (
    report,
    survival_report,
    progress,
    description,
    validation,
    predictions,
    drift,
    quality,
    forecast,
    index,
    dashboard,
    federation,
)


@pytest.fixture(params=PAGES, ids=lambda made: made.__name__)
def page(request: pytest.FixtureRequest, toy: TrainConfig, tmp_path: Path) -> tuple[str, Path]:
    """Name and path of each page."""
    return request.param.__name__, request.param(toy, tmp_path)


@pytest.mark.browser
@pytest.mark.slow
def test_axe_finds_nothing_serious(page: tuple[str, Path]) -> None:
    for width in WIDTHS:
        found = findings(page[1], width)
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert not serious, f"{width} pixels: {serious}"
        assert found["wide"] <= 0, f"{found['wide']} pixels wider than a window of {width}"


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_looks_as_it_did(page: tuple[str, Path], tmp_path: Path) -> None:
    """Compared with a small picture; to renew one, delete it and run the test."""
    name, path = page
    shot = tmp_path / "page.png"
    opened(path, 1200, f"--screenshot={shot}")
    small = Image.open(shot).convert("L").resize((150, 175), Image.Resampling.BOX)
    reference = REFERENCES / f"{name}.png"
    if not reference.exists():
        REFERENCES.mkdir(exist_ok=True)
        small.save(reference, optimize=True)
        pytest.skip(f"wrote {reference.name}: look at it")
    difference = np.abs(np.asarray(small, float) - np.asarray(Image.open(reference), float))
    assert difference.mean() < 4, "look at the page; if it is right, delete the reference"

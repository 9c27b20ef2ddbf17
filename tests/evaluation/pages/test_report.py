"""The whole evaluation of a small run: table, report, and the report in a browser."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from flame.core.errors import BadInput
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.trainings import Training
from flame.models.response.inputs import build_inputs
from flame.pipelines import evaluate, train


@pytest.fixture
def run(toy: TrainConfig, tmp_path: Path) -> Path:
    train.run(toy, tmp_path / "run")
    return tmp_path / "run"


def test_scores_and_report(run: Path) -> None:
    result = evaluate.run(run)
    scores = pd.read_csv(result.scores)
    assert list(scores.columns) == [
        "model",
        "trained_on",
        "tested_on",
        "metric",
        "value",
        "low",
        "high",
        "n",
        "events",
        "reason",
    ]
    aucs = scores[scores.metric == "auc"].set_index(["model", "trained_on", "tested_on"])
    local = {("local", a, b) for a in "ab" for b in "ab"}
    joint = {(m, "a+b", c) for m in ("federated", "pooled") for c in "ab"}
    unseen = {
        (f"{m} leave-one-out", o, c) for m in ("federated", "pooled") for o, c in ("ab", "ba")
    }
    assert local | joint | unseen <= set(aucs.index)
    assert (aucs.n == aucs.index.get_level_values(2).map({"a": 24, "b": 16})).all()
    assert (aucs.loc[("prevalence", "b", "a")].value) == 0.5
    defined = aucs[aucs.value.notna()]
    assert ((defined.low <= defined.value) & (defined.value <= defined.high)).all()
    html = result.html.read_text()
    folder = result.html.parent
    assert pd.read_csv(folder / "generalisation.csv").centre.tolist() == ["a", "b"]
    assert {"federated", "pooled"} <= set(pd.read_csv(folder / "over_centres.csv").model)
    card = (folder / "model_card.md").read_text()
    assert "real patients" in card
    assert str(folder) not in card + html
    assert "Real patients" in html
    assert "Simulated patients" not in html
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html), "needs the network"
    assert not re.search(
        r"\b[ab]\d+\b", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", html, flags=re.S)
    ), "a patient is named"


@pytest.mark.slow
def test_out_of_fold_predictions_do_not_see_the_patient(toy: TrainConfig, tmp_path: Path) -> None:
    # Thirty random features and a random outcome: fitted patients would be told apart almost
    # perfectly (checked below), held-out ones not at all.
    rng = np.random.default_rng(0)
    table = pd.read_csv(toy.data.table)
    names = tuple(f"x{i}" for i in range(30))
    table[list(names)] = rng.normal(size=(len(table), 30))
    table["response"] = rng.integers(0, 2, len(table))
    table.to_csv(toy.data.table, index=False)
    config = replace(
        toy,
        model=replace(toy.model, clinical=names, l2=0.0),
        training=replace(toy.training, rounds=20, epochs=10),
    )
    train.run(config, tmp_path / "run")
    scores = pd.read_csv(evaluate.run(tmp_path / "run").scores)
    own = scores[(scores.metric == "auc") & (scores.model == "pooled")]
    assert (own.value < 0.8).all()
    cohorts = [load_cohort(config, c) for c in "ab"]
    inputs = [build_inputs(c, config.model) for c in cohorts]
    predictor = Predictor(RunFolder(tmp_path / "run").config(), tmp_path / "run", inputs)
    whole = Training("pooled", ("a", "b"), 0, 2)
    for centre in inputs:
        fitted = predictor.of(whole, centre)
        assert roc_auc_score(centre.response, fitted) > 0.9


def test_changed_data_are_refused(run: Path, toy: TrainConfig) -> None:
    table = Path(toy.data.table)
    table.write_text(table.read_text().replace("\na,a0,", "\na,a99,", 1))
    with pytest.raises(BadInput, match="the data changed since training began"):
        evaluate.run(run)
    with pytest.raises(BadInput, match="the data changed since training began"):
        train.run(toy, run)


def test_unfinished_training_is_refused(run: Path) -> None:
    next((run / "models").glob("pooled.*")).unlink()
    with pytest.raises(BadInput, match="training has not finished"):
        evaluate.run(run)
    assert not (run / "report.html").exists()
    with pytest.raises(BadInput, match="not a run folder"):
        evaluate.run(run / "models")


@pytest.mark.browser
def test_report_opens_in_chromium(run: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here (Debian package chromium)")
    html = evaluate.run(run).html
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={run / 'browser'}",
    ]
    shown = subprocess.run(
        [chromium, *flags, "--dump-dom", html.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    written = html.read_text()
    assert written.count("<svg") > 0
    for part in ("<svg", "<table", "<h2"):  # a browser drops what it cannot parse
        assert shown.count(part) == written.count(part), part
    assert 'id="generalisation-table"' in shown
    picture = run / "report.png"
    subprocess.run(
        [chromium, *flags, f"--screenshot={picture}", "--window-size=1200,2400", html.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert picture.stat().st_size > 50_000

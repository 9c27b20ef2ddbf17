"""The whole evaluation of a small run: table, report, and the report in a browser."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.pipelines import evaluate, train


@pytest.fixture
def run(toy: TrainConfig, tmp_path: Path) -> Path:
    train.run(toy, tmp_path / "run")
    return tmp_path / "run"


def test_scores_and_report(run: Path) -> None:
    result = evaluate.run(run)
    scores = pd.read_csv(result.scores)
    assert list(scores.columns) == [
        "model", "trained_on", "tested_on", "metric", "value", "low", "high", "n", "events",
        "reason",
    ]  # fmt: skip
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
    assert "Real patients" in html
    assert "Simulated patients" not in html
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html), "needs the network"
    assert not re.search(r"\b[ab]\d+\b", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", html,
                                                flags=re.S)), "a patient is named"  # fmt: skip


def test_out_of_fold_predictions_do_not_see_the_patient(
    toy: TrainConfig,
    tmp_path: Path,
) -> None:
    # Outcome random, features identify patients: in-sample AUC would be high, out-of-fold is not.
    rng = np.random.default_rng(0)
    table = pd.read_csv(toy.data.table)
    for extra in ("x", "y"):
        table[extra] = rng.normal(size=len(table))
    table["response"] = rng.integers(0, 2, len(table))
    table.to_csv(toy.data.table, index=False)
    train.run(toy, tmp_path / "run")
    scores = pd.read_csv(evaluate.run(tmp_path / "run").scores)
    own = scores[(scores.metric == "auc") & (scores.model == "pooled")]
    assert (own.low < 0.5).all()


def test_unfinished_training_is_refused(run: Path) -> None:
    next((run / "models").glob("pooled.*")).unlink()
    with pytest.raises(BadInput, match="training has not finished"):
        evaluate.run(run)
    assert not (run / "report.html").exists()
    with pytest.raises(BadInput, match="no run folder"):
        evaluate.run(run / "models")


@pytest.mark.browser
def test_report_opens_in_chromium(run: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here (Debian package chromium)")
    html = evaluate.run(run).html
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={run / 'browser'}"]  # fmt: skip
    shown = subprocess.run(
        [chromium, *flags, "--dump-dom", html.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert shown.count("<svg") == 3
    assert 'id="generalisation-matrix"' in shown
    picture = run / "report.png"
    subprocess.run(
        [chromium, *flags, f"--screenshot={picture}", "--window-size=1200,2400", html.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert picture.stat().st_size > 50_000

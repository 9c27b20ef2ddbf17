"""Recalibration by hand, and the curve of a hospital whose outcomes are shifted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from flame.evaluation.outcomes.adaptation import AS_IT_IS, RECALIBRATED, SIZES, TUNED, recalibrated
from flame.federation.config import TrainConfig
from flame.pipelines import evaluate, train


def test_nothing_to_fit_changes_nothing_and_a_shift_is_found() -> None:
    # At p = 1/2 with as many of both, intercept 0 is the maximum and the slope is not seen.
    same = recalibrated(np.full(4, 0.5), np.array([0.0, 1, 0, 1]), np.array([0.3, 0.8]))
    assert same == pytest.approx([0.3, 0.8], abs=1e-4)
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    outcome = (rng.random(5000) < expit(1.0 + 0.5 * x)) * 1.0
    found = recalibrated(expit(x), outcome, expit(np.array([-1.0, 0.0, 1.0])))
    assert logit(found) == pytest.approx([0.5, 1.0, 1.5], abs=0.15)


@pytest.mark.slow
def test_a_shifted_hospital_gains_and_the_csv_says_so(toy: TrainConfig, tmp_path: Path) -> None:
    # At b everyone responds but for few: a model of a is too low there.
    rng = np.random.default_rng(1)
    rows = []
    for centre, shift in (("a", -1.0), ("b", 2.5)):
        x = rng.normal(size=80)
        respond = rng.random(80) < expit(shift + 2 * x)
        rows += [
            {"centre": centre, "patient_id": f"{centre}{i}", "x": v, "y": 0.0, "response": int(r)}
            for i, (v, r) in enumerate(zip(x, respond, strict=True))
        ]
    pd.DataFrame(rows).to_csv(toy.data.table, index=False)
    training = replace(toy.training, rounds=10, epochs=5, learning_rate=0.5)
    train.run(replace(toy, training=training), tmp_path / "run")
    html = evaluate.run(tmp_path / "run").html.read_text()
    assert "Adaptation to a new hospital" in html
    assert "Membership-inference audit" in html
    found = pd.read_csv(tmp_path / "run" / "adaptation.csv")
    assert set(found.n) == set(SIZES)
    means = found[found.centre == "b"].groupby(["n", "way"]).brier.mean()
    for n in SIZES[1:]:
        assert means[n, RECALIBRATED] < means[n, AS_IT_IS]
        assert means[n, TUNED] < means[n, AS_IT_IS]
    assert means[20, RECALIBRATED] < means[5, RECALIBRATED]
    auc = found.pivot_table(index=["centre", "n", "draw"], columns="way", values="auc")
    assert np.allclose(auc[AS_IT_IS], auc[RECALIBRATED])  # their order stays

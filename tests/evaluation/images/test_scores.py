"""Scores of masks and forecasts by hand, and who predicts whom."""

import numpy as np
import pandas as pd
import pytest

from flame.evaluation.images.ceilings import CEILINGS
from flame.evaluation.images.forecast_scores import UNITS, changed_dice
from flame.evaluation.images.forecasts import baseline_scores
from flame.evaluation.images.scores import differences, scores, strata
from flame.evaluation.metrics.generalisation import PAIRS
from flame.evaluation.metrics.out_of_sample import out_of_sample
from flame.evaluation.pages.figures import dots_figure
from flame.federation.folds import fold_of, training_rows
from flame.federation.sections import TrainingConfig
from flame.models.evolution.config import BASELINES
from flame.models.segmentation.case_table import Cases, dice
from tests.helpers.tumours import ball, tumour_case


def rows_of(values: dict[tuple[str, tuple[str, ...]], list[float]]) -> pd.DataFrame:
    """Dice by model and where it was trained, a patient a value, all tested at centre a."""
    return pd.DataFrame(
        [
            {
                "model": model,
                "trained_on": trained,
                "tested_on": "a",
                "patient": f"p{n}",
                "seed": 0,
                "dice": value,
                "hd95": np.nan,
            }
            for (model, trained), row in values.items()
            for n, value in enumerate(row)
        ]
    )


MASKS = ("dice", "hd95")
ROWS = rows_of(
    {
        ("federated", ("a", "b")): [0.9, 0.7],
        ("local", ("a",)): [0.8, 0.7],
        ("local", ("b",)): [0.1, 0.1],
        ("pooled", ("a", "b")): [0.9, 0.8],
    }
)


def test_scores_are_means_over_patients() -> None:
    twice = pd.concat([ROWS, ROWS.assign(seed=1, dice=ROWS.dice - 0.2)])
    found = {(s.model, s.trained_on, s.metric): s for s in scores(MASKS, twice)}
    federated = found[("federated", ("a", "b"), "dice")]
    assert federated.value == pytest.approx((0.8 + 0.6) / 2)  # of each patient over the seeds
    assert federated.low <= federated.value <= federated.high
    assert (federated.n, federated.events) == (2, 4)
    missing = found[("federated", ("a", "b"), "hd95")]
    assert np.isnan(missing.value)
    assert missing.reason == "no patient has a value"


def test_differences_are_paired_and_local_is_the_centres_own() -> None:
    found = {(d.model, d.against): d for d in differences(MASKS, PAIRS, ROWS) if d.metric == "dice"}
    assert found[("federated", "local")].value == pytest.approx((0.1 + 0.0) / 2)
    assert found[("federated", "pooled")].value == pytest.approx((0.0 - 0.1) / 2)


def test_strata_by_hand() -> None:
    rows = ROWS.reindex(columns=[*ROWS, *(m for m in UNITS if m not in ROWS)])
    rows = rows.assign(
        trend=["grow", "shrink"] * 4, horizon="late", **{"changed dice": ROWS.dice / 2}
    )
    twins = pd.concat([rows, rows.assign(tested_on="b", dice=rows.dice - 0.2)])
    found = strata(("horizon", "trend"), UNITS, BASELINES, twins).set_index(
        ["by", "value", "model"]
    )
    grown = found.loc[("trend", "grow", "federated")]
    assert grown.patients == 2  # p0 of centre a and p0 of centre b
    assert grown["changed dice"] == pytest.approx(0.45)
    assert grown.dice == pytest.approx((0.9 + 0.7) / 2)
    assert found.loc[("trend", "shrink", "pooled")].dice == pytest.approx((0.8 + 0.6) / 2)
    assert "local" not in found.index.get_level_values("model")


def test_regions_are_shown_apart() -> None:
    both = pd.concat([ROWS.assign(region="core"), ROWS.assign(region="whole", dice=0.5)])
    found = strata(("region",), MASKS, (), both).set_index(["value", "model"]).dice
    assert found["core", "pooled"] == pytest.approx(0.85)
    assert found["whole", "pooled"] == 0.5


def test_baselines_learn_from_other_folds_of_all_centres() -> None:
    training = TrainingConfig(folds=2, seeds=(0,))
    centres = [
        Cases(
            c,
            tuple(f"{c}{n}" for n in range(3)),
            tuple(
                (tumour_case(f"{c}{n}", 10.0 + n, later=((60, ball(12.0 + n + k)),)),)
                for n in range(3)
            ),
        )
        for k, c in enumerate(("a", "b"))
    ]
    rows = pd.concat(baseline_scores(training, centres, BASELINES))
    assert set(rows.model) == set(BASELINES)
    assert (rows.groupby(["model", "tested_on", "patient"]).size() == 1).all()
    assert len(rows) == 6 * len(BASELINES)
    assert (rows[rows.model == "persistence"]["changed dice"] == 0).all()
    # By hand: all follow-ups are equally late, so that the cohort's rate is the mean log ratio.
    left_out = rows[rows.model == "cohort rate"].iloc[0]
    fold = {c.centre: fold_of(c, 0, 2) for c in centres}
    own = fold[left_out.tested_on][int(left_out.patient[1])]
    ratios = [
        np.log(case.ml(case.later[0][1]) / case.ml(case.tumour))
        for c in centres
        for n, (case,) in enumerate(c.cases)
        if fold[c.centre][n] != own
    ]
    (case,) = centres["ab".index(left_out.tested_on)].cases[int(left_out.patient[1])]
    expected = case.ml(case.tumour) * np.exp(np.mean(ratios))
    error = abs(expected / case.ml(case.later[0][1]) - 1)
    assert left_out["volume error"] == pytest.approx(error, abs=0.02)


def test_dots_have_a_panel_a_centre() -> None:
    svg = dots_figure(pd.concat([ROWS, ROWS.assign(tested_on="b")]), "dice", "Dice")
    assert svg.startswith("<svg")


def test_nobody_is_predicted_by_a_model_that_saw_the_patient() -> None:
    training = TrainingConfig(folds=3, seeds=(0, 1))
    centres = [
        Cases(
            c,
            tuple(f"{c}{n}" for n in range(size)),
            tuple(() if n == 1 else (n,) for n in range(size)),
        )
        for c, size in (("a", 7), ("b", 5), ("c", 4))
    ]
    predicted: dict[tuple[str, str, str, int], list[int]] = {}
    for held in out_of_sample(training, centres):
        federation, patients = held.training, held.patients
        if patients.centre in federation.centres:
            seen = training_rows(patients, federation.seed, federation.folds, federation.fold)
            assert not set(seen) & set(held.rows)
        key = (held.model, held.trained_on, patients.centre, federation.seed)
        predicted.setdefault(key, []).extend(held.rows.tolist())
    sizes = {p.centre: len(p.pseudonyms) for p in centres}
    for (_, _, centre, _), rows in predicted.items():
        assert sorted(rows) == list(range(sizes[centre]))  # everybody, once
    # Three local models and four joint ones at each of three centres, twice.
    assert len(predicted) == 3 * 7 * 2


@pytest.mark.parametrize("name", list(CEILINGS))
def test_ceilings_know_the_truth(name: str) -> None:
    case = tumour_case()
    (day, truth), *_ = case.later
    (found,) = CEILINGS[name].forecast(case, (day,))
    assert 0.5 < dice(found.mask, truth) <= 1
    if name == "oracle volume":
        assert case.ml(found.mask) == pytest.approx(case.ml(truth))
        assert changed_dice(case.tumour, truth, found.mask) > 0.9  # a ball grows to a ball
    else:
        assert np.array_equal(found.mask[1:], truth[:-1])
    assert set(UNITS) >= {"dice", "changed dice", "crps"}

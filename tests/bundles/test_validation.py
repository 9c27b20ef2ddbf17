"""External validation: figures by independent implementations, references, subgroups, pages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from flame.bundles import validation
from flame.bundles import validation_tables as tables
from flame.bundles.censored_scores import censored_rows
from flame.bundles.cohorts import read_cohorts
from flame.bundles.model import Model, open_model
from flame.bundles.recalibration import recalibrated
from flame.bundles.validation_figures import figures
from flame.bundles.validation_page import latex, render, verdict
from flame.core.errors import BadInput


def cohorts(model: Model, table: Path, *others: Model) -> validation.Cohorts:
    read = [(m, read_cohorts(m, table, with_outcome=True)) for m in (model, *others)]
    return validation.with_references(validation.gather(model, read[0][1], read[1:]))


def value(table: pd.DataFrame, metric: str, prediction: int = 0) -> float:
    name = list(dict.fromkeys(table.prediction))[prediction]
    (row,) = table[(table.metric == metric) & (table.prediction == name)].to_dict("records")
    return float(row["value"])


def test_response_figures_are_those_of_scikit_learn(logistic: Path, folder: Path) -> None:
    found = cohorts(open_model(logistic), folder / "new.csv")
    table = tables.metrics(found)
    known = np.isfinite(found.inputs.response)
    lived, p = found.inputs.response[known], found.variants[0].mean[known]
    assert value(table, "AUC of response") == pytest.approx(roc_auc_score(lived, p))
    assert value(table, "Brier score") == pytest.approx(brier_score_loss(lived, p))
    assert value(table, "Observed / expected") == pytest.approx(lived.sum() / p.sum())
    logit = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-8).fit(logit, lived).coef_[0, 0]
    assert value(table, "Calibration slope") == pytest.approx(slope, rel=1e-3)
    share = float(open_model(logistic).shared["prevalence"])
    assert value(table, "Brier score", 1) == pytest.approx(((lived - share) ** 2).mean())


def test_survival_figures_hold_on_patients_of_the_same_kind(cox: Path, folder: Path) -> None:
    """The new hospital is drawn from the same simulation, so the model is right about it."""
    found = cohorts(open_model(cox), folder / "new.csv")
    table = tables.metrics(found).set_index("metric")
    assert table.loc["C-index of survival", "low"] > 0.5
    for name in ("Calibration slope", "Observed / expected alive at 1 y"):
        assert table.loc[name, "low"] < 1 < table.loc[name, "high"], name
    assert table.loc["Brier score at 1 y, censoring weighted", "value"] < 0.25


def test_refitting_repairs_a_model_that_is_shifted() -> None:
    """Log odds are 2 too high: a refitted constant brings the mean back; the ranks stay alike."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.6, 400)
    response = (rng.random(400) < truth).astype(float)
    logit = np.log(truth / (1 - truth)) + 2
    shifted = 1 / (1 + np.exp(-logit))
    fitted = recalibrated(response, shifted, slope=False)
    assert fitted.mean() == pytest.approx(response.mean(), abs=0.01)
    assert brier_score_loss(response, fitted) < brier_score_loss(response, shifted) - 0.05
    flattened = 1 / (1 + np.exp(-(np.log(truth / (1 - truth)) * 3)))
    both = recalibrated(response, flattened, slope=True)
    assert brier_score_loss(response, both) < brier_score_loss(response, flattened)


def test_nobody_is_predicted_by_a_fit_to_himself() -> None:
    """One responder among many: refits to the others predict him as if there were none."""
    response = np.zeros(50)
    response[0] = 1
    fitted = recalibrated(response, np.full(50, 0.5), slope=False)
    assert fitted[0] == np.min(fitted[np.isfinite(fitted)]) or np.isnan(fitted[0])


def test_a_model_is_compared_on_the_same_patients(
    logistic: Path, network: Path, folder: Path
) -> None:
    first, second = open_model(logistic), open_model(network)
    found = cohorts(first, folder / "new.csv", second)
    table = tables.differences(found)
    gap = table[(table.less == second.name) & (table.metric == "AUC of response")].iloc[0]
    metrics = tables.metrics(found)
    expected = value(metrics, "AUC of response") - value(metrics, "AUC of response", 1)
    assert gap.value == pytest.approx(expected)
    assert gap.low <= gap.value <= gap.high


def test_models_on_other_outcomes_are_not_compared(logistic: Path, cox: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="has outcome = survival"):
        cohorts(open_model(logistic), folder / "new.csv", open_model(cox))


def test_a_cohort_without_outcomes_is_refused(logistic: Path, tmp_path: Path) -> None:
    path = tmp_path / "unknown.csv"
    path.write_text("subject,age,mgmt,days,died\nx,61,1,,\ny,62,0,,\n")
    with pytest.raises(BadInput, match="no patient has a known outcome"):
        cohorts(open_model(logistic), path)


def test_subgroups_and_places(logistic: Path, folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "new.csv")
    table["centre"] = np.where(np.arange(len(table)) % 2, "E", "F")
    table.to_csv(tmp_path / "two.csv", index=False)
    found = cohorts(open_model(logistic), tmp_path / "two.csv")
    assert [name for name, _ in found.places()] == ["E", "F", "all hospitals"]
    groups = tables.subgroups(found)
    assert set(groups.subgroup) == {"65 and over", "under 65"}
    by_age = groups[groups.metric == "AUC of response"].set_index("subgroup")
    known = np.isfinite(found.inputs.response)
    assert by_age.n.sum() == known.sum()


def test_censored_rows_need_survival(logistic: Path, folder: Path) -> None:
    found = cohorts(open_model(logistic), folder / "new.csv")
    unknown = replace(found.inputs, survival_days=np.full(150, np.nan))
    none = np.zeros((150, 0))
    assert censored_rows(found.model, unknown, found.variants[0].mean, none) == []
    assert len(censored_rows(found.model, found.inputs, found.variants[0].mean, none)) == 3


@pytest.mark.parametrize("name", ["logistic", "cox"])
def test_the_page_holds_no_patient(name: str, request: pytest.FixtureRequest, folder: Path) -> None:
    found = cohorts(open_model(request.getfixturevalue(name)), folder / "new.csv")
    metrics = tables.metrics(found)
    drawn = figures(found)
    html = render(
        found,
        metrics,
        tables.differences(found),
        tables.subgroups(found),
        drawn,
        ["one"],
    )
    assert "D-1" not in html
    assert html.count("<svg") == len(drawn) + 1  # and the forest plot
    assert "better than chance" in verdict(found, metrics)
    text = latex(metrics)
    assert text.count(r"\\") == len(set(metrics.metric)) + 1


def test_latex_escapes_names() -> None:
    row = {"hospital": "A_B", "prediction": "50 % & more", "metric": "AUC", "reason": ""}
    text = latex(pd.DataFrame([{**row, "value": 0.5, "low": 0.4, "high": 0.6}]))
    assert r"A\_B" in text
    assert r"50 \% \& more" in text


def test_a_refit_has_no_ranks_of_its_own(logistic: Path, folder: Path) -> None:
    """Ten constants make the ranks of pooled folds worse, which would say nothing of the refit."""
    found = cohorts(open_model(logistic), folder / "new.csv")
    table = tables.metrics(found).set_index(["prediction", "metric"])
    refitted = table.loc[(f"{found.model.name}, constant refitted", "AUC of response")]
    assert np.isnan(refitted.value)
    assert refitted.reason == "as the model's own"
    gaps = tables.differences(found)
    assert not ((gaps.less.str.endswith("refitted")) & (gaps.metric == "AUC of response")).any()


def test_a_refit_that_fails_at_one_hospital_stays_at_the_others(
    logistic: Path, folder: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(folder / "new.csv")
    few = table[(table.days <= 365) & (table.died == 1)].head(4).assign(centre="F")
    few["subject"] = [f"F-{n}" for n in range(4)]
    pd.concat([table, few]).to_csv(tmp_path / "two.csv", index=False)
    metrics = tables.metrics(cohorts(open_model(logistic), tmp_path / "two.csv"))
    scored = metrics[metrics.metric == "Brier score"]
    brier = scored[scored.prediction.str.endswith("constant refitted")]
    by_hospital = brier.set_index("hospital")
    assert np.isfinite(by_hospital.value["D"])
    assert by_hospital.reason["F"].startswith("no finite fit")


def test_folds_of_a_refit_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.9, 80)
    y = (rng.random(80) < p).astype(float)
    order = rng.permutation(80)
    assert np.allclose(recalibrated(y, p, True)[order], recalibrated(y[order], p[order], True))


@pytest.mark.parametrize("changes", [{"horizon_days": 200.0}, {"endpoint": "progression-free"}])
def test_models_with_other_clocks_are_not_compared(
    logistic: Path, folder: Path, changes: dict[str, object]
) -> None:
    model = open_model(logistic)
    data = replace(model.config.data, bids="b", table="", survival=(), **changes)  # type: ignore[arg-type]
    other = replace(model, config=replace(model.config, data=data))
    with pytest.raises(BadInput, match="different things"):
        validation.gather(model, read_cohorts(model, folder / "new.csv", True), [(other, [])])

"""Coefficients with intervals by scikit-learn's and lifelines' fits, and the baseline hazard."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from flame.bundles.coefficients import baseline_hazard, coefficients, covariance, feature_names
from flame.bundles.model import Model, open_model
from flame.pipelines import train
from tests.bundles.conftest import settings


def test_hazard_ratios_and_intervals_are_those_of_lifelines(folder: Path) -> None:
    """Without a penalty, by the information matrix, stratified by centre."""
    config = settings(
        folder / "training.csv",
        task="survival",
        model={"clinical": ["age", "mgmt"]},
        regression={"penalizer": 0.0},
    )
    train.run(config, folder / "unpenalised")
    ours = coefficients(open_model(folder / "unpenalised")).set_index("feature")
    table = pd.read_csv(folder / "training.csv")
    fitted = CoxPHFitter().fit(
        table[["age", "mgmt", "days", "died", "centre"]], "days", "died", strata=["centre"]
    )
    summary = fitted.summary
    assert np.allclose(ours["hazard ratio per unit"], summary["exp(coef)"], rtol=1e-6)
    per_unit = ours["standard error"] / ours["sd"]
    assert np.allclose(per_unit, summary["se(coef)"], rtol=1e-6)


def test_odds_ratios_by_hand(logistic: Path) -> None:
    model = open_model(logistic)
    table = coefficients(model).set_index("feature")
    beta = model.shared["beta"]
    assert list(table.index) == ["(constant)", "age", "mgmt"]
    assert table.loc["age", "odds ratio per sd"] == pytest.approx(np.exp(beta[1]))
    one_unit = beta[1] / table.loc["age", "sd"]
    assert table.loc["age", "odds ratio per unit"] == pytest.approx(np.exp(one_unit))
    error = np.sqrt(covariance(model, model.shared)[1, 1])
    assert table.loc["age", "low"] == pytest.approx(np.exp(beta[1] - 1.959964 * error))
    assert feature_names(model) == ["age", "mgmt"]


def test_intervals_are_nan_where_a_site_sent_no_information(logistic: Path) -> None:
    model = open_model(logistic)
    shared = {k: v for k, v in model.shared.items() if k != "information"}
    older = Model(model.name, model.config, (([], shared),))
    assert coefficients(older)["standard error"].isna().all()


def test_the_baseline_hazard_of_all_lies_between_those_of_the_hospitals(cox: Path) -> None:
    table = baseline_hazard(open_model(cox)).dropna()
    assert list(table.columns) == ["day", "all hospitals", "A", "B", "C"]
    rates = table.diff().dropna()
    by_hospital = rates[["A", "B", "C"]]
    assert (rates["all hospitals"] >= by_hospital.min(axis=1) - 1e-9).all()
    assert (rates["all hospitals"] <= by_hospital.max(axis=1) + 1e-9).all()

"""Baselines on the real table reproduce figures published for it beforehand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flame.evaluation.metrics.estimates import auc
from flame.evaluation.outcomes.baselines import baseline_predictions
from flame.evaluation.outcomes.outcome import OUTCOMES
from flame.federation.config import TrainConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.models.response.baselines import logistic, prevalence
from flame.models.response.inputs import ResponseModelConfig, build_inputs

CLINICAL = ("age", "sex", "mgmt_status", "idh_status", "resection_status")


def test_leave_one_centre_out_auc_of_clinical_features(
    shared: Callable[[str], Path], table_config: Callable[..., TrainConfig]
) -> None:
    config = table_config(shared("tables/gbm_four_centres.csv"))
    cohorts = [load_cohort(config, c) for c in config.data.centres]
    found = {
        p.tested_on: p
        for p in baseline_predictions(config, OUTCOMES["response"], cohorts)
        if p.model == "logistic, clinical"
    }
    # Reference: scikit-learn LogisticRegression(C=0.1) on the standardised pooled other centres,
    # AUC and Brier score computed independently of FLAME.
    for centre, expected, brier in (
        ("UCSF", 0.799, 0.182),
        ("UPENN", 0.664, 0.236),
        ("TCGA", 0.686, 0.223),
    ):
        cohort = next(c for c in cohorts if c.centre == centre)
        inputs = build_inputs(cohort, ResponseModelConfig(clinical=CLINICAL))
        response = inputs.response[inputs.labelled]
        probability = found[centre].by_seed[0][inputs.labelled]
        same = np.zeros(len(response), int)
        assert auc(response, probability, same) == pytest.approx(expected, abs=6e-4)
        assert np.mean((response - probability) ** 2) == pytest.approx(brier, abs=6e-4)


def test_censored_before_the_horizon_have_no_label(
    shared: Callable[[str], Path], table_config: Callable[..., TrainConfig]
) -> None:
    config = table_config(shared("tables/gbm_four_centres.csv"))
    cohorts = [load_cohort(config, c) for c in config.data.centres]
    unknown = {c.centre: sum(p.outcome.response is None for p in c.patients) for c in cohorts}
    assert unknown == {"UCSF": 39, "UPENN": 0, "TCGA": 0}


def test_one_class_falls_back_to_prevalence() -> None:
    features = np.arange(6.0).reshape(3, 2)
    ones = np.ones(3, np.float32)
    assert logistic(features, ones)(features).tolist() == [1, 1, 1]
    assert prevalence(features, np.array([1, 0, 0, 0], np.float32))(features).tolist() == [0.25] * 3

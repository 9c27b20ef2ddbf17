"""Membership-inference audit: does a model reveal which patients it was trained on?

The attack classifies a patient as a training patient if the model's loss is low (Yeom 2018,
doi:10.1109/CSF.2018.00027). An AUC of 0.5 means that this attack learns nothing from the model.
"""

from typing import Any

import numpy as np
import pandas as pd

from flame.evaluation.metrics.estimates import Estimate, undefined
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.cross_site import averaged
from flame.federation.folds import training_rows
from flame.federation.trainings import FEDERATED, LOCAL, POOLED, Training
from flame.models.regression.discrimination import scored_auc
from flame.models.regression.logistic import log_losses
from flame.models.response.inputs import Inputs

_FALSE_ALARMS = 0.1
"""False-positive rate of the attack at which ``caught`` is measured."""


def membership(predictor: Predictor) -> dict[str, tuple[Estimate, float]]:
    """Run the attack on the local, federated and pooled models.

    For each fold, the attack separates training patients from held-out patients of each centre.

    Args:
        predictor: models of the run.

    Returns:
        By kind of model: AUC of the attack, and its true-positive rate at a false-positive rate of
        10 %.
    """
    results = {}
    for kind in (LOCAL, FEDERATED, POOLED):
        rows = [row for inputs in predictor.inputs for row in attacks(predictor, kind, inputs)]
        table = pd.DataFrame(rows)
        mean = averaged({}, table)
        caught = float(np.average(table.caught, weights=table.weight)) if len(table) else np.nan
        if np.isfinite(mean["value"]):
            estimate = Estimate(mean["value"], mean["low"], mean["high"])
        else:
            estimate = undefined("no patient was held out")
        results[kind] = (estimate, caught)
    return results


def attacks(predictor: Predictor, kind: str, inputs: Inputs) -> list[dict[str, Any]]:
    """Run the attack on one kind of model with the patients of one centre.

    Args:
        predictor: models of the run.
        kind: local, federated or pooled.
        inputs: patients of the centre.

    Returns:
        One row for each seed and fold: the fields of ``Scored`` for the AUC, and ``caught``, the
        true-positive rate of the attack at a false-positive rate of 10 %.
    """
    config = predictor.config
    training = config.training
    rows = []
    known = inputs.take(inputs.labelled)
    for seed in training.seeds:
        for fold in range(training.folds):
            centres = (inputs.centre,) if kind == LOCAL else config.data.centres
            held_out = Training(kind, centres, seed, training.folds, fold)
            confidence = -log_losses(predictor.of(held_out, known), known.response)
            trained = training_rows(inputs, seed, training.folds, fold)
            member = np.isin(inputs.labelled, trained).astype(float)
            scored = scored_auc(confidence, member)
            if scored.weight:
                caught = _caught(confidence, member)
                rows.append({"seed": seed, "caught": caught, **scored._asdict()})
    return rows


def _caught(confidence: np.ndarray, member: np.ndarray) -> float:
    """Return the share of members above the threshold that 10 % of the non-members exceed."""
    threshold = np.quantile(confidence[member < 0.5], 1 - _FALSE_ALARMS)
    return float((confidence[member > 0.5] > threshold).mean())

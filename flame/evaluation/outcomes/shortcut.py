"""Shortcut probe: could a model score well by recognising the centre instead of the patient?"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flame.evaluation.metrics.estimates import Estimate, undefined
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome, Scored
from flame.evaluation.outcomes.subgroups import pooled_scores
from flame.federation.trainings import FEDERATED
from flame.models.response.inputs import Inputs, concatenate

_FOLDS = 5
"""Number of cross-validation folds in which a classifier predicts the centre from the features."""


@dataclass(frozen=True)
class Shortcut:
    """Results of the shortcut probe.

    Args:
        centre_only: metric of a prediction from the centre alone, over all pairs of patients.
        model: metric of the federated model over all pairs of patients.
        within: metric of the federated model over pairs of patients of the same centre.
        telling: balanced accuracy of predicting the centre from the features; NaN without tabular
            features or with a centre of fewer than five patients.
        chance: balanced accuracy of guessing, 1 / number of centres.
    """

    centre_only: Estimate
    model: Estimate
    within: Estimate
    telling: float
    chance: float


def probe(
    outcome: Outcome, predictions: list[Predictions], cohort: list[Inputs]
) -> Shortcut | None:
    """Run the shortcut probe on the cross-validated federated model.

    Args:
        outcome: kind of outcome.
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The results; None if the run has a single centre.
    """
    if len(cohort) < 2:
        return None
    everyone = concatenate(cohort)
    rows = everyone.labelled
    scores, folds_within = pooled_scores(predictions, cohort, FEDERATED)
    _, folds_across = pooled_scores(predictions, cohort, FEDERATED, across=True)
    centre = np.concatenate([np.full(len(i.pseudonyms), n) for n, i in enumerate(cohort)])

    def of(scored: Scored) -> Estimate:
        return outcome.estimate(everyone.take(rows), (scored[0][:, rows], scored[1][:, rows]))

    alone = _centre_rates(outcome, everyone, rows, centre, folds_across)
    return Shortcut(
        of((alone, folds_across))
        if np.isfinite(alone).all()
        else undefined("the outcome rate of a hospital is undefined"),
        of((scores, folds_across)),
        of((scores, folds_within)),
        _telling(everyone, centre),
        1 / len(cohort),
    )


def _centre_rates(
    outcome: Outcome, inputs: Inputs, rows: np.ndarray, centre: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Return the outcome rate (seed, n) of each patient's centre, from patients outside the fold.

    The rate is the share of responders, or the days of follow-up per death.
    """
    rates = np.full(folds.shape, np.nan)
    labelled = np.isin(np.arange(len(centre)), rows)
    for seed, fold in np.ndindex(len(folds), int(folds.max()) + 1):
        for c in np.unique(centre):
            known = (centre == c) & labelled & (folds[seed] != fold)
            rate = outcome.rate(inputs.take(np.flatnonzero(known)))
            rates[seed, (centre == c) & (folds[seed] == fold)] = rate
    return rates


def _telling(inputs: Inputs, centre: np.ndarray) -> float:
    """Return the balanced accuracy of predicting the centre from the features."""
    if not inputs.features.shape[1] or np.bincount(centre).min() < _FOLDS:
        return float("nan")
    mean = np.nan_to_num(np.nanmean(inputs.features, axis=0))
    filled = np.where(np.isnan(inputs.features), mean, inputs.features)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    return float(
        balanced_accuracy_score(centre, cross_val_predict(model, filled, centre, cv=folds))
    )

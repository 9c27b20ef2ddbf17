"""Membership-inference audit: does a model reveal which patients it was trained on?

Two attacks: the first classifies a patient as a training patient if the model's loss is low (Yeom
2018, doi:10.1109/CSF.2018.00027). The second, LiRA, compares the model's confidence in the patient
with that of other models of the run, which were trained with and without this patient (Carlini
2022, arXiv:2112.03570, section IV). An AUC of 0.5 means that the attack learns nothing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.evaluation.metrics.estimates import Estimate, undefined
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.cross_site import averaged
from flame.federation.folds import training_rows
from flame.federation.trainings import FEDERATED, LOCAL, POOLED, Training
from flame.models.regression.discrimination import scored_auc
from flame.models.regression.logistic import log_losses
from flame.models.response.inputs import Inputs

_ONE_SEED = "needs two training.seeds"
_FALSE_ALARMS = 0.1
"""False-positive rate of the attack at which ``caught`` is measured."""


class Audit(NamedTuple):
    """Result of both attacks on one kind of model.

    Args:
        auc: AUC of the attack by the loss.
        caught: its true-positive rate at a false-positive rate of 10 %.
        lira: AUC of the attack by the likelihood ratio.
        lira_caught: its true-positive rate at a false-positive rate of 10 %.
    """

    auc: Estimate
    caught: float
    lira: Estimate
    lira_caught: float


def membership(predictor: Predictor) -> dict[str, Audit]:
    """Run the attacks on the local, federated and pooled models.

    For each fold, they separate training patients from held-out patients of each centre.

    Args:
        predictor: models of the run.

    Returns:
        Result by kind of model.
    """
    results = {}
    for kind in (LOCAL, FEDERATED, POOLED):
        parts: list[Any] = []
        for attack, reason in ((attacks, "no patient was held out"), (lira, _ONE_SEED)):
            rows = [row for inputs in predictor.inputs for row in attack(predictor, kind, inputs)]
            table = pd.DataFrame(rows)
            mean = averaged({}, table)
            known = np.isfinite(mean["value"])
            parts.append(
                Estimate(mean["value"], mean["low"], mean["high"]) if known else undefined(reason)
            )
            caught = np.average(table.caught, weights=table.weight) if len(table) else np.nan
            parts.append(float(caught))
        results[kind] = Audit(*parts)
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
    found = (
        _row(seed, -losses, member) for seed, losses, member in _models(predictor, kind, inputs)
    )
    return [row for row in found if row]


def lira(predictor: Predictor, kind: str, inputs: Inputs) -> list[dict[str, Any]]:
    """Run the attack by the likelihood ratio on one kind of model.

    The confidence of a model in a patient is the logit of the probability of the patient's true
    outcome. Those of the other models are normal with one mean for models that were trained with
    the patient, another for those without, and a variance that all patients share, as there are
    few models. The score is the log likelihood ratio of the attacked model's confidence.

    Args:
        predictor: models of the run.
        kind: local, federated or pooled.
        inputs: patients of the centre.

    Returns:
        Rows as of ``attacks``; none where no patient has other models of both kinds, as with one
        seed.
    """
    models = list(_models(predictor, kind, inputs))
    confidence = np.array([-losses - np.log(-np.expm1(-losses)) for _, losses, _ in models])
    member = np.array([m for _, _, m in models])
    rows = []
    for target, (seed, _, _) in enumerate(models):
        others = np.arange(len(models)) != target
        ratio = likelihood_ratio(confidence[others], member[others] > 0.5, confidence[target])
        known = np.isfinite(ratio)
        row = _row(seed, ratio[known], member[target][known])
        rows += [row] if row else []
    return rows


def likelihood_ratio(
    others: NDArray[np.float64], member: NDArray[np.bool_], confidence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the log likelihood ratio of membership for each patient.

    Args:
        others: confidence (m, n) of m other models in n patients.
        member: whether each of these was trained with each patient (m, n).
        confidence: confidence (n,) of the attacked model.

    Returns:
        Log ratio (n,); NaN for patients without other models of both kinds.

    Example:
        Models with the patient are at 2 +- 1, those without at 0 +- 1.

        >>> others = np.array([[1.0], [3.0], [-1.0], [1.0]])
        >>> member = np.array([[True], [True], [False], [False]])
        >>> likelihood_ratio(others, member, np.array([2.0]))
        array([2.])
    """
    means = []
    deviations = np.zeros(others.shape)
    for group in (member, ~member):
        count = group.sum(axis=0)
        total = np.where(group, others, 0.0).sum(axis=0)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        deviations += np.where(group & (count > 0), others - mean, 0.0)
        means.append(mean)
    variance = max(float((deviations**2).mean()), 1e-12)
    inside, outside = means
    return ((confidence - outside) ** 2 - (confidence - inside) ** 2) / (2 * variance)


def _models(
    predictor: Predictor, kind: str, inputs: Inputs
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield seed, loss (n,) and membership (n,) of the known patients for each model."""
    config = predictor.config
    training = config.training
    known = inputs.take(inputs.labelled)
    for seed in training.seeds:
        for fold in range(training.folds):
            centres = (inputs.centre,) if kind == LOCAL else config.data.centres
            held_out = Training(kind, centres, seed, training.folds, fold)
            losses = log_losses(predictor.of(held_out, known), known.response)
            trained = training_rows(inputs, seed, training.folds, fold)
            yield seed, losses, np.isin(inputs.labelled, trained).astype(float)


def _row(
    seed: int, confidence: NDArray[np.float64], member: NDArray[np.float64]
) -> dict[str, Any] | None:
    scored = scored_auc(confidence, member)
    if not scored.weight:
        return None
    return {"seed": seed, "caught": _caught(confidence, member), **scored._asdict()}


def _caught(confidence: np.ndarray, member: np.ndarray) -> float:
    """Return the share of members above the threshold that 10 % of the non-members exceed."""
    threshold = np.quantile(confidence[member < 0.5], 1 - _FALSE_ALARMS)
    return float((confidence[member > 0.5] > threshold).mean())

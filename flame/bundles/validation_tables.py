"""Tables of an external validation: metrics, differences between predictions, and subgroups."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.bundles.censored_scores import censored_rows
from flame.bundles.validation import Cohorts, Variant
from flame.evaluation.metrics.estimates import Estimate, bootstrap, undefined
from flame.evaluation.metrics.metric import METRICS, Tested
from flame.evaluation.outcomes.outcome import OUTCOMES
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]

RESPONSE_METRICS = (
    "auc",
    "auprc",
    "balanced accuracy",
    "brier",
    "calibration slope",
    "calibration intercept",
)
"""Metrics of a response model, of patients whose response is known."""
_OF_RANKS = ("auc", "auprc", "balanced accuracy")
"""Metrics that do not change when the constant or slope of a prediction does."""
_FEW = 10
"""Patients of a subgroup below which it is left out."""


def metrics(cohorts: Cohorts) -> pd.DataFrame:
    """Compute the metrics of each prediction at each hospital.

    Args:
        cohorts: patients and predictions.

    Returns:
        One row per hospital, prediction and metric, with its 95 % interval.
    """
    rows = []
    for place, index in cohorts.places():
        inputs = cohorts.inputs.take(index)
        for variant in cohorts.variants:
            part = variant.rows(index)
            head = {"hospital": place, "prediction": variant.name}
            for name, estimate, n, events in _measured(cohorts, inputs, part):
                rows.append({**head, "metric": name, **vars(estimate), "n": n, "events": events})
    return pd.DataFrame(rows)


def _measured(
    cohorts: Cohorts, inputs: Inputs, variant: Variant
) -> list[tuple[str, Estimate, int, int]]:
    survival = cohorts.model.task.outcome == "survival"
    names = ("c_index", "calibration slope") if survival else RESPONSE_METRICS
    known = inputs.labelled
    if not np.isfinite(variant.by_seed[:, known]).all():
        missing = undefined("no finite fit at a hospital: too few of either outcome")
        return [(METRICS[name].title, missing, len(known), 0) for name in names]
    tested = _tested(inputs, variant, not survival)
    found = []
    for name in names:
        measure = METRICS[name].measure
        assert measure is not None
        if variant.refitted and name in _OF_RANKS:
            as_before = undefined("as the model's own")
            found.append((METRICS[name].title, as_before, len(known), 0))
            continue
        measured = measure(tested)
        found.append((METRICS[name].title, measured.estimate, measured.patients, measured.events))
    if not survival:
        response = inputs.response[known].astype(float)
        mean = variant.mean[known]
        counts = (len(known), int(response.sum()))
        found.append(("Observed / expected", observed_to_expected(response, mean), *counts))
    if variant.refitted:
        return found
    return [*found, *censored_rows(cohorts.model, inputs, variant.mean, variant.curves)]


def _tested(inputs: Inputs, variant: Variant, is_probability: bool) -> Tested:
    shape = variant.by_seed.shape
    cut = variant.cut if np.isfinite(variant.cut) else 0.5
    return Tested(
        inputs.response.astype(float),
        inputs.survival_days,
        inputs.died,
        variant.by_seed,
        np.zeros(shape, int),
        np.full(shape, cut),
        is_probability,
    )


def observed_to_expected(response: Array, probability: Array) -> Estimate:
    """Compute the number of responders over the number that was predicted; 1 is ideal.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        probability: (n,) predicted probabilities.

    Returns:
        The ratio with a bootstrap interval; undefined without patients.
    """
    if not len(response):
        return undefined("no patients")

    def ratio(rows: NDArray[np.intp]) -> float:
        return float(response[rows].sum() / probability[rows].sum())

    return Estimate(ratio(np.arange(len(response))), *bootstrap(ratio, len(response)))


def differences(cohorts: Cohorts) -> pd.DataFrame:
    """Compare the model with every other prediction on the same patients.

    Args:
        cohorts: patients and predictions.

    Returns:
        One row per hospital, comparison and metric: the model less the other, with a paired 95 %
        interval over patients.
    """
    first, *others = cohorts.variants
    outcome = OUTCOMES[cohorts.model.task.outcome]
    rows = []
    for place, index in cohorts.places():
        inputs = cohorts.inputs.take(index)
        inside = inputs.labelled
        if cohorts.model.task.outcome == "survival":
            inside = np.flatnonzero(np.isfinite(inputs.survival_days))
        known = inputs.take(inside)
        for other in others:
            pair = [v.rows(index[inside]) for v in (first, other)]
            scored = [(v.by_seed, np.zeros(v.by_seed.shape, int)) for v in pair]
            if not np.isfinite(pair[1].by_seed).all():
                continue
            ranked = not other.refitted
            gaps = {outcome.metric: outcome.difference(known, *scored)} if ranked else {}
            if outcome.is_probability:
                gaps["brier"] = _brier_difference(known.response.astype(float), *pair)
            for metric, gap in gaps.items():
                head = {"hospital": place, "less": other.name, "metric": METRICS[metric].title}
                rows.append({**head, **vars(gap), "n": len(inside)})
    return pd.DataFrame(rows)


def _brier_difference(response: Array, first: Variant, second: Variant) -> Estimate:
    if not len(response):
        return undefined("no patients")
    errors = [((v.by_seed - response) ** 2).mean(axis=0) for v in (first, second)]
    gap = errors[0] - errors[1]

    def mean(rows: NDArray[np.intp]) -> float:
        return float(gap[rows].mean())

    return Estimate(float(gap.mean()), *bootstrap(mean, len(gap)))


def subgroups(cohorts: Cohorts) -> pd.DataFrame:
    """Compute discrimination and calibration of the model within groups of sex, age and radiation.

    Args:
        cohorts: patients and predictions.

    Returns:
        One row per group of at least ten patients and metric.
    """
    rows = []
    for title, names in cohorts.groups.items():
        for name in sorted(set(names) - {""}):
            index = np.flatnonzero(names == name)
            if len(index) < _FEW:
                continue
            inputs = cohorts.inputs.take(index)
            variant = cohorts.variants[0].rows(index)
            for metric, estimate, n, events in _measured(cohorts, inputs, variant):
                head = {"group": title, "subgroup": name, "metric": metric}
                rows.append({**head, **vars(estimate), "n": n, "events": events})
    return pd.DataFrame(rows)

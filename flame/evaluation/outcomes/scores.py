"""Metrics of response and survival models at each centre, and paired differences."""

from collections.abc import Iterable, Sequence

from flame.core.scores import CentreScore, Difference
from flame.evaluation.metrics.generalisation import UNSEEN, pairs
from flame.evaluation.metrics.metric import METRICS, Tested
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.federation.trainings import LOCAL
from flame.models.response.inputs import Inputs


def scores(
    outcome: Outcome, metrics: Sequence[str], predictions: Predictions, cohort: list[Inputs]
) -> list[CentreScore]:
    """Compute metrics of one model at one centre.

    Args:
        outcome: kind of outcome.
        metrics: names of metrics; those of images are skipped.
        predictions: predictions of the model at the centre.
        cohort: patients of each centre.

    Returns:
        One score for each metric.
    """
    tested = _tested(outcome, predictions, cohort)
    rows = []
    for name in metrics:
        measure = METRICS[name].measure
        if measure is None:
            continue
        measured = measure(tested)
        estimate = measured.estimate
        rows.append(
            CentreScore(
                predictions.model,
                predictions.trained_on,
                predictions.tested_on,
                name,
                estimate.value,
                estimate.low,
                estimate.high,
                measured.patients,
                measured.events,
                estimate.reason,
            )
        )
    return rows


def _tested(outcome: Outcome, predictions: Predictions, cohort: list[Inputs]) -> Tested:
    inputs = next(i for i in cohort if i.centre == predictions.tested_on)
    return Tested(
        inputs.response.astype(float),
        inputs.survival_days,
        inputs.died,
        predictions.by_seed,
        predictions.folds,
        outcome.cuts(predictions, cohort),
        outcome.is_probability,
    )


def differences(
    outcome: Outcome,
    predictions: Iterable[Predictions],
    cohort: list[Inputs],
    baselines: Iterable[str],
    compared: Iterable[str] = (),
) -> list[Difference]:
    """Compare models on the same patients of each centre, by the main metric of the outcome.

    The pairs are those of ``pairs``, and the federated model that was not trained at the centre
    with each baseline. Pairs with a missing model are skipped.

    Args:
        outcome: kind of outcome.
        predictions: predictions of all models.
        cohort: patients of each centre.
        baselines: names of baselines.
        compared: strategies that are compared with the main one.

    Returns:
        One difference, with a paired interval, for each centre and pair.
    """
    by_name = {
        (p.model, p.tested_on): p
        for p in predictions
        if p.model != LOCAL or p.trained_on == (p.tested_on,)
    }
    chosen = (*pairs(compared), *((UNSEEN, name) for name in baselines))
    paired = []
    for inputs in cohort:
        known = inputs.labelled
        for pair in chosen:
            first, second = (by_name.get((model, inputs.centre)) for model in pair)
            if first and second:
                minuend = (first.by_seed[:, known], first.folds[:, known])
                subtrahend = (second.by_seed[:, known], second.folds[:, known])
                gap = outcome.difference(inputs.take(known), minuend, subtrahend)
                paired.append(
                    Difference(
                        *pair,
                        inputs.centre,
                        outcome.metric,
                        gap.value,
                        gap.low,
                        gap.high,
                        gap.reason,
                    )
                )
    return paired

"""Metrics of masks and forecasts for each patient, and their means at each centre."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from flame.core.progress import Progress
from flame.core.scores import CentreScore, Difference
from flame.evaluation.evaluations import FinishedRun
from flame.evaluation.metrics.estimates import Estimate, crossed_estimate
from flame.evaluation.metrics.out_of_sample import OutOfSample, out_of_sample
from flame.federation.trainings import FEDERATED, LOCAL, POOLED


def patient_scores(
    run: FinishedRun, scored: Callable[[FinishedRun, OutOfSample], pd.DataFrame], progress: Progress
) -> list[pd.DataFrame]:
    """Compute the metrics of every model on patients that it was not trained on.

    Args:
        run: the finished run.
        scored: computes the metrics of one model, one row for each patient and day.
        progress: called with the number of models done and their total.

    Returns:
        A table for each model and test centre, with the columns ``trained_on`` and ``tested_on``.
    """
    config = run.config
    parts = list(out_of_sample(config.training, run.patients, config.federation.compare))
    tables = []
    for done, part in enumerate(parts, 1):
        rows = scored(run, part)
        tables.append(from_centres(rows, part.trained_on).assign(tested_on=part.patients.centre))
        progress(done, len(parts))
    return tables


def from_centres(rows: pd.DataFrame, centres: tuple[str, ...]) -> pd.DataFrame:
    """Add the column ``trained_on`` to the rows of a model.

    Args:
        rows: rows of one model.
        centres: centres that the model was trained on.

    Returns:
        The rows, with ``centres`` in every row of the new column.
    """
    column: Any = [centres] * len(rows)
    return rows.assign(trained_on=column)


def scores(metrics: Sequence[str], rows: pd.DataFrame) -> list[CentreScore]:
    """Average every metric over patients, by model and centre.

    The interval is a bootstrap over patients and seeds of training.

    Args:
        metrics: names of metrics.
        rows: table of all models, see ``patient_scores``.

    Returns:
        One score for each model, centre and metric; its ``events`` counts rows with a value.
    """
    centre_scores = []
    for (model, trained, tested), part in rows.groupby(
        ["model", "trained_on", "tested_on"], sort=False
    ):
        for metric in metrics:
            estimate = _estimate(by_seed(part, metric))
            days = int(part[metric].notna().sum())
            centre_scores.append(
                CentreScore(
                    str(model),
                    _names(trained),
                    str(tested),
                    metric,
                    estimate.value,
                    estimate.low,
                    estimate.high,
                    part.patient.nunique(),
                    days,
                    estimate.reason,
                )
            )
    return centre_scores


def _names(centres: Any) -> tuple[str, ...]:
    return tuple(centres)


def by_patient(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Average a metric over the seeds and days of each patient.

    Args:
        rows: rows of one model.
        metric: name of the metric.

    Returns:
        The mean over defined values, indexed by centre and patient; without patients that have no
        defined value.
    """
    return rows.groupby(["tested_on", "patient"])[metric].mean().dropna()


def by_seed(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average a metric over the days of each patient, for each seed of training.

    Args:
        rows: rows of one model.
        metric: name of the metric.

    Returns:
        The mean over defined values by seed (rows), and centre and patient (columns); NaN without
        a defined value.
    """
    means = rows.groupby(["seed", "tested_on", "patient"])[metric].mean()
    return means.unstack(["tested_on", "patient"])


def _estimate(values: pd.DataFrame) -> Estimate:
    return crossed_estimate(values.to_numpy(float), "no patient has a value")


def paired(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Subtract the values of a model from those of another, patient by patient.

    Args:
        first: values of the first model, see ``by_seed``.
        second: values of the model that is subtracted. Of a model with other seeds, such as a
            baseline that is not trained, the mean over its seeds is subtracted.

    Returns:
        Differences by seed and patient; without patients that only one of them has.
    """
    both = first.columns.intersection(second.columns)
    first, second = first[both], second[both]
    if set(first.index) == set(second.index):
        return first - second.loc[first.index]
    if len(first) < len(second):  # the differences vary as the model with more trainings does
        return -(second - first.mean())
    return first - second.mean()


def differences(
    metrics: Sequence[str], pairs: Iterable[tuple[str, str]], rows: pd.DataFrame
) -> list[Difference]:
    """Compare pairs of models on the same patients of each centre.

    Args:
        metrics: names of metrics.
        pairs: names of models; the second is subtracted from the first.
        rows: table of all models, see ``patient_scores``.

    Returns:
        The mean difference over patients and seeds for each centre, metric and pair, with a paired
        bootstrap interval over both; without pairs of which a model has no value.
    """
    pairs = list(pairs)
    found = []
    for centre, at_centre in rows.groupby("tested_on", sort=False):
        for metric in metrics:
            for first, second in pairs:
                minuend = _patient_values(at_centre, first, str(centre), metric)
                subtrahend = _patient_values(at_centre, second, str(centre), metric)
                if minuend.size and subtrahend.size:
                    gap = _estimate(paired(minuend, subtrahend))
                    found.append(
                        Difference(
                            first,
                            second,
                            str(centre),
                            metric,
                            gap.value,
                            gap.low,
                            gap.high,
                            gap.reason,
                        )
                    )
    return found


def _patient_values(rows: pd.DataFrame, model: str, centre: str, metric: str) -> pd.DataFrame:
    """Return the values of a model at a centre; of local models only the one of the centre."""
    chosen = rows[rows.model == model]
    if model == LOCAL:
        chosen = chosen[[centres == (centre,) for centres in chosen.trained_on]]
    return by_seed(chosen, metric).dropna(axis=1, how="all")


def strata(
    columns: Sequence[str], metrics: Sequence[str], models: Sequence[str], rows: pd.DataFrame
) -> pd.DataFrame:
    """Average all metrics over patients within strata, such as time horizons.

    Args:
        columns: columns that define the strata.
        metrics: names of metrics.
        models: names of further models besides the federated and the pooled one.
        rows: table of all models, see ``patient_scores``.

    Returns:
        One row for each column, value of that column, and model: number of patients and means.
    """
    summaries = []
    for column in columns:
        for (value, model), part in rows.groupby([column, "model"], sort=False):
            if model in (FEDERATED, POOLED, *models):
                means = {m: by_patient(part, m).mean() for m in metrics}
                patients = len(part.groupby(["tested_on", "patient"]))
                summaries.append(
                    {"by": column, "value": value, "model": model, "patients": patients, **means}
                )
    return pd.DataFrame(summaries).sort_values(["by", "value"], kind="stable", ignore_index=True)

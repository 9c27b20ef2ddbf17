"""Masks and forecasts of a run, patient by patient, and how they hold centre by centre."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from flame.core.scores import CentreScore, Difference
from flame.evaluation.evaluations import FinishedRun, Progress
from flame.evaluation.metrics.estimates import Estimate, mean_estimate
from flame.evaluation.metrics.out_of_sample import OutOfSample, out_of_sample
from flame.federation.trainings import FEDERATED, LOCAL, POOLED


def patient_scores(
    run: FinishedRun, scored: Callable[[FinishedRun, OutOfSample], pd.DataFrame], progress: Progress
) -> list[pd.DataFrame]:
    """One row a model, patient, seed and day: where it was trained and tested, and its metrics.

    Args:
        run: the run.
        scored: a row a patient and day of one model.
        progress: called with models done and the total.
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
    """The rows of a model with the centres that it was trained on."""
    column: Any = [centres] * len(rows)
    return rows.assign(trained_on=column)


def scores(metrics: Sequence[str], rows: pd.DataFrame) -> list[CentreScore]:
    """The mean over patients of every metric, with a bootstrap interval; days in ``events``."""
    found = []
    for (model, trained, tested), part in rows.groupby(
        ["model", "trained_on", "tested_on"], sort=False
    ):
        for metric in metrics:
            estimate = _estimate(by_patient(part, metric))
            days = int(part[metric].notna().sum())
            found.append(
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
    return found


def _names(centres: Any) -> tuple[str, ...]:
    return tuple(centres)


def by_patient(rows: pd.DataFrame, metric: str) -> pd.Series:
    """One value a patient: the mean over the seeds and days that have one."""
    return rows.groupby(["tested_on", "patient"])[metric].mean().dropna()


def _estimate(values: pd.Series) -> Estimate:
    return mean_estimate(values.to_numpy(float), "no patient has one")


def differences(
    metrics: Sequence[str], pairs: Iterable[tuple[str, str]], rows: pd.DataFrame
) -> list[Difference]:
    """The first model of each pair less the second, on the same patients."""
    found, pairs = [], list(pairs)
    for centre, here in rows.groupby("tested_on", sort=False):
        for metric in metrics:
            for first, second in pairs:
                a, b = (_own(here, m, str(centre), metric) for m in (first, second))
                if len(a) and len(b):
                    gap = _estimate((a - b).dropna())
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


def _own(rows: pd.DataFrame, model: str, centre: str, metric: str) -> pd.Series:
    """Values of a model at a centre; of the local ones that of the centre itself."""
    chosen = rows[rows.model == model]
    if model == LOCAL:
        chosen = chosen[[centres == (centre,) for centres in chosen.trained_on]]
    return by_patient(chosen, metric)


def strata(
    columns: Sequence[str], metrics: Sequence[str], models: Sequence[str], rows: pd.DataFrame
) -> pd.DataFrame:
    """Mean over patients of all metrics of the joint models and of ``models``, by ``columns``.

    A row for each column, value of it, and model.
    """
    found = []
    for column in columns:
        for (value, model), part in rows.groupby([column, "model"], sort=False):
            if model in (FEDERATED, POOLED, *models):
                means = {m: by_patient(part, m).mean() for m in metrics}
                patients = len(part.groupby(["tested_on", "patient"]))
                found.append(
                    {"by": column, "value": value, "model": model, "patients": patients, **means}
                )
    return pd.DataFrame(found).sort_values(["by", "value"], kind="stable", ignore_index=True)

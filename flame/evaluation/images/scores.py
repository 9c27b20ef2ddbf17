"""Masks and forecasts of a run, patient by patient, and how they hold centre by centre."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.scores import CentreScore, Difference
from flame.evaluation.images.forecast_scores import UNITS, evaluate, surface
from flame.evaluation.metrics.estimates import Estimate, mean_estimate
from flame.evaluation.metrics.generalisation import PAIRS
from flame.evaluation.metrics.out_of_sample import HeldOut, held_out
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.folds import fold_of, training_rows
from flame.federation.sections import TrainingConfig
from flame.federation.task import open_task
from flame.federation.tasks.segmentation import taught
from flame.federation.trainings import FEDERATED, LOCAL, POOLED
from flame.models.evolution.model import EVOLUTION_MODELS
from flame.models.evolution.volume_baselines import BASELINES
from flame.models.segmentation.case_table import Cases, dice
from flame.models.segmentation.cases import REGIONS

METRICS = {
    "segmentation": ("dice", "hd95"),
    "evolution": ("changed dice", *UNITS),
}
"""What is measured of each task."""
STRATA = {"segmentation": ("region",), "evolution": ("horizon", "trend")}
"""Columns by whose values figures are given apart."""
PERSISTENCE = BASELINES[0]


def patient_scores(
    config: TrainConfig,
    run: Path,
    by_centre: list[Cases[Any]],
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """One row a model, patient, seed and day: where it was trained and tested, and its figures."""
    task, parts = (
        open_task(config),
        list(held_out(config.training, by_centre, config.federation.compare)),
    )
    found = []
    for done, held in enumerate(parts, 1):
        rows = (
            _forecasts(task, run, held) if config.task == "evolution" else (_masks(task, run, held))
        )
        found.append(rows.assign(trained_on=held.trained_on, tested_on=held.patients.centre))
        progress(done, len(parts))
    if config.task == "evolution":
        found += baseline_scores(config.training, by_centre)
    return pd.concat(found, ignore_index=True)


def _forecasts(task: Any, run: Path, held: HeldOut) -> pd.DataFrame:
    checkpoint = finished(run, held.federation.name)
    model = task.load(checkpoint.state.weights, checkpoint.shared)
    return evaluate(model, held.model, held.patients.take(held.rows).flat, held.federation.seed)


def baseline_scores(
    training: TrainingConfig, by_centre: list[Cases[Any]]
) -> Iterator[pd.DataFrame]:
    """All of BASELINES, each learned from all patients of all centres but those of a fold."""
    trained_on = "+".join(cases.centre for cases in by_centre)
    for seed, fold in product(training.seeds, range(training.folds)):
        learning = [
            case
            for cases in by_centre
            for case in cases.take(training_rows(cases, seed, training.folds, fold)).flat
        ]
        tested = [
            cases.take(np.flatnonzero(fold_of(cases, seed, training.folds) == fold))
            for cases in by_centre
        ]
        for name in BASELINES:
            model = EVOLUTION_MODELS[name]()
            model.fit(learning)
            for cases in tested:
                found = evaluate(model, name, cases.flat, seed)
                yield found.assign(trained_on=trained_on, tested_on=cases.centre)


def _masks(task: Any, run: Path, held: HeldOut) -> pd.DataFrame:
    """Dice and HD95 in mm of the regions that were drawn, on the grid of the network."""
    checkpoint, rows = finished(run, held.federation.name), []
    patients, spacing = held.patients.take(held.rows), task.config.voxel_mm
    for name, cases in zip(patients.pseudonyms, patients.cases, strict=True):
        for case in cases:
            masks = task.model.masks(
                checkpoint.state.weights, case.images, taught(checkpoint.shared)
            )
            for region, found in masks.items():
                truth = case.regions[..., REGIONS.index(region)]
                if truth.min() >= 0:
                    rows.append(
                        {
                            "model": held.model,
                            "patient": name,
                            "seed": held.federation.seed,
                            "region": region,
                            "dice": dice(found, truth > 0.5),
                            "hd95": surface(found, truth > 0.5, spacing)[0],
                        }
                    )
    return pd.DataFrame(rows)


def scores(task: str, rows: pd.DataFrame) -> list[CentreScore]:
    """The mean over patients of every metric, with a bootstrap interval; days in ``events``."""
    found = []
    for (model, trained, tested), part in rows.groupby(
        ["model", "trained_on", "tested_on"], sort=False
    ):
        for metric in METRICS[task]:
            estimate = _estimate(_by_patient(part, metric))
            days = int(part[metric].notna().sum())
            found.append(
                CentreScore(
                    str(model),
                    str(trained),
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


def _by_patient(rows: pd.DataFrame, metric: str) -> pd.Series:
    """One value a patient: the mean over the seeds and days that have one."""
    return rows.groupby(["tested_on", "patient"])[metric].mean().dropna()


def _estimate(values: pd.Series) -> Estimate:
    return mean_estimate(values.to_numpy(float), "no patient has one")


def differences(task: str, rows: pd.DataFrame) -> list[Difference]:
    """See ``PAIRS``, on the same patients.

    Forecasts also against persistence and the baseline that does best on these very patients.
    """
    pairs = list(PAIRS)
    if task == "evolution":
        pairs += [(FEDERATED, name) for name in dict.fromkeys((PERSISTENCE, best_baseline(rows)))]
    found = []
    for centre, here in rows.groupby("tested_on", sort=False):
        for metric in METRICS[task]:
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
        chosen = chosen[chosen.trained_on == centre]
    return _by_patient(chosen, metric)


def best_baseline(rows: pd.DataFrame) -> str:
    """The baseline of the highest mean Dice of changed voxels."""
    means = {b: _by_patient(rows[rows.model == b], "changed dice").mean() for b in BASELINES}
    return max(means, key=lambda name: np.nan_to_num(means[name], nan=-1.0))


def strata(task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over patients of all figures of the joint models and baselines, by STRATA.

    A row for each column, value of it, and model.
    """
    found = []
    for column in STRATA[task]:
        for (value, model), part in rows.groupby([column, "model"], sort=False):
            if model in (FEDERATED, POOLED, *BASELINES):
                means = {m: _by_patient(part, m).mean() for m in METRICS[task]}
                patients = len(part.groupby(["tested_on", "patient"]))
                found.append(
                    {"by": column, "value": value, "model": model, "patients": patients, **means}
                )
    return pd.DataFrame(found).sort_values(["by", "value"], kind="stable", ignore_index=True)

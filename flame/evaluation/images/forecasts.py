"""Evaluates tumour forecasts at each centre, together with simple baselines."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from flame.core.progress import Progress
from flame.evaluation.evaluations import EVALUATIONS, Evaluated, FinishedRun
from flame.evaluation.images.evaluation import evaluated
from flame.evaluation.images.forecast_scores import evaluate
from flame.evaluation.images.scores import by_patient, from_centres, patient_scores
from flame.evaluation.metrics.generalisation import pairs
from flame.evaluation.metrics.out_of_sample import OutOfSample
from flame.federation.folds import fold_of, training_rows
from flame.federation.sections import TrainingConfig
from flame.federation.tasks.evolution import EvolutionTask
from flame.federation.tasks.registry import task_of
from flame.federation.trainings import FEDERATED
from flame.models.evolution import (  # noqa: F401  (they register themselves)
    growth_curves,
    volume_baselines,
)
from flame.models.evolution.model import EVOLUTION_MODELS
from flame.models.segmentation.case_table import Cases

PERSISTENCE = "persistence"
"""The baseline that repeats the last mask."""


@EVALUATIONS.register("forecasts")
def evaluate_forecasts(run: FinishedRun, progress: Progress) -> Evaluated:
    """Compute all metrics of every model and baseline at every centre.

    The federated model is also compared with persistence, and with the baseline that is best on the
    same test patients.

    Args:
        run: the finished run.
        progress: called with the number of models done and their total.

    Returns:
        Content of the report, and the table ``strata``.
    """
    tables = patient_scores(run, forecast_scores, progress)
    names = run.config.evolution.compare
    tables += baseline_scores(run.config.training, run.patients, names)
    rows = pd.concat(tables, ignore_index=True)
    compared = dict.fromkeys((*({PERSISTENCE} & {*names}), best_baseline(rows, names)))
    return evaluated(
        run,
        rows,
        [*pairs(run.config.federation.compare), *((FEDERATED, name) for name in compared)],
        names,
    )


def forecast_scores(run: FinishedRun, part: OutOfSample) -> pd.DataFrame:
    """Compute the metrics of one model on patients that it was not trained on.

    Args:
        run: the finished run.
        part: the model and the patients that it forecasts.

    Returns:
        One row for each patient and day, see ``forecast_scores.evaluate``.
    """
    task = task_of(EvolutionTask, run.task, run.folder.path)
    trained = run.folder.model(part.training)
    model = task.load(trained.state.weights, trained.shared)
    cases = part.patients.take(part.rows).flat
    return evaluate(model, part.model, cases, part.training.seed)


def baseline_scores(
    training: TrainingConfig, by_centre: list[Cases[Any]], names: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Cross-validate baselines in the folds of the run, trained on the patients of all centres.

    Args:
        training: folds and seeds of the run.
        by_centre: patients of each centre.
        names: names of the baselines in ``EVOLUTION_MODELS``.

    Yields:
        A table for each seed, fold, baseline and centre, with one row for each patient and day.
    """
    centres = tuple(cases.centre for cases in by_centre)
    for seed, fold in product(training.seeds, range(training.folds)):
        training_cases = [
            case
            for cases in by_centre
            for case in cases.take(training_rows(cases, seed, training.folds, fold)).flat
        ]
        tested = [
            cases.take(np.flatnonzero(fold_of(cases, seed, training.folds) == fold))
            for cases in by_centre
        ]
        for name in names:
            model = EVOLUTION_MODELS[name]()
            model.fit(training_cases)
            for cases in tested:
                rows = evaluate(model, name, cases.flat, seed)
                yield from_centres(rows, centres).assign(tested_on=cases.centre)


def best_baseline(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """Find the baseline with the highest mean Dice of changed voxels.

    Args:
        rows: table of all models, see ``patient_scores``.
        names: names of the baselines.

    Returns:
        Name of the baseline; an undefined mean counts as the lowest.
    """
    means = {name: by_patient(rows[rows.model == name], "changed dice").mean() for name in names}
    return max(means, key=lambda name: np.nan_to_num(means[name], nan=-1.0))

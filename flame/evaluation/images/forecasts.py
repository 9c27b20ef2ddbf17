"""How forecasts of the tumour hold at each centre, beside plain ones."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from flame.evaluation.evaluations import EVALUATIONS, Evaluated, FinishedRun, Progress
from flame.evaluation.images.evaluation import evaluated
from flame.evaluation.images.forecast_scores import evaluate
from flame.evaluation.images.scores import by_patient, from_centres, patient_scores
from flame.evaluation.metrics.generalisation import PAIRS
from flame.evaluation.metrics.out_of_sample import OutOfSample
from flame.federation.folds import fold_of, training_rows
from flame.federation.sections import TrainingConfig
from flame.federation.tasks.evolution import EvolutionTask
from flame.federation.tasks.registry import open_task_of
from flame.federation.trainings import FEDERATED
from flame.models.evolution.model import EVOLUTION_MODELS
from flame.models.evolution.volume_baselines import BASELINES
from flame.models.segmentation.case_table import Cases

PERSISTENCE = BASELINES[0]


@EVALUATIONS.register("forecasts")
def evaluate_forecasts(run: FinishedRun, progress: Progress) -> Evaluated:
    """All metrics of every model at every centre, and of the plain baselines.

    The federated model is also compared with persistence and with the baseline that does best on
    these very patients.
    """
    tables = patient_scores(run, forecast_scores, progress)
    tables += baseline_scores(run.config.training, run.patients)
    rows = pd.concat(tables, ignore_index=True)
    against = dict.fromkeys((PERSISTENCE, best_baseline(rows)))
    return evaluated(run, rows, [*PAIRS, *((FEDERATED, name) for name in against)], BASELINES)


def forecast_scores(run: FinishedRun, part: OutOfSample) -> pd.DataFrame:
    """A row a patient and day of one model."""
    task = open_task_of(EvolutionTask, run.config, run.folder.path)
    trained = run.folder.model(part.training)
    model = task.load(trained.state.weights, trained.shared)
    cases = part.patients.take(part.rows).flat
    return evaluate(model, part.model, cases, part.training.seed)


def baseline_scores(
    training: TrainingConfig, by_centre: list[Cases[Any]]
) -> Iterator[pd.DataFrame]:
    """All of BASELINES, each learned from all patients of all centres but those of a fold."""
    centres = tuple(cases.centre for cases in by_centre)
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
                rows = evaluate(model, name, cases.flat, seed)
                yield from_centres(rows, centres).assign(tested_on=cases.centre)


def best_baseline(rows: pd.DataFrame) -> str:
    """The baseline of the highest mean Dice of changed voxels."""
    means = {b: by_patient(rows[rows.model == b], "changed dice").mean() for b in BASELINES}
    return max(means, key=lambda name: np.nan_to_num(means[name], nan=-1.0))

"""``flame train``: local models of each centre, federated models, and pooled models."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.core.files import locked
from flame.core.progress import StageProgress, of_stage, silent_stages
from flame.federation import run_files
from flame.federation.config import TrainConfig, centres
from flame.federation.engine import Engine, Job
from flame.federation.engines import open_engine
from flame.federation.run_folder import RunFolder
from flame.federation.run_strategy import check_strategy, strategy_warnings
from flame.federation.task import Row, Task
from flame.federation.tasks.cohort_summary import summarise_cohorts
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import (
    FEDERATED,
    LOCAL,
    PERSONALISED,
    POOLED,
    Training,
    joint_trainings,
    local_trainings,
    personalised_trainings,
)
from flame.preprocessing.cohort.radiomics import expanded


@dataclass(frozen=True)
class TrainResult:
    """Result of ``flame train``.

    Args:
        run: the run folder.
        centres: counts, one row per centre.
        warnings: warnings to show.
    """

    run: Path
    centres: tuple[Row, ...]
    warnings: tuple[str, ...]


def run(
    config: TrainConfig,
    out: Path,
    progress: StageProgress = silent_stages,
    only_whole: bool = False,
) -> TrainResult:
    """Train local, federated and pooled models; a killed run continues where it stopped.

    Pooled training moves data. It is possible only because this command reads the folder of every
    centre, and serves as a reference for comparison.

    Args:
        config: the configuration of the run.
        out: the run folder.
        progress: called with the kind of model, steps done, and the total.
        only_whole: whether only the federated models of all hospitals and patients are trained,
            which can predict but not be evaluated. A later call trains the others.

    Returns:
        The run folder, counts by centre, and warnings.

    Raises:
        BadInput: the configuration, the data or ``out`` cannot be used; nothing is written.
        FlameError: training failed.
    """
    config = resolve(config)
    trainings_by_kind = plan_of(config)
    if only_whole:
        whole = [t for t in trainings_by_kind[FEDERATED] if t.fold is None and not t.left_out]
        trainings_by_kind = {FEDERATED: whole}
    for kind in {FEDERATED, *config.federation.compare} & trainings_by_kind.keys():
        check_strategy(config, kind, trainings_by_kind[kind])
    _check_metrics(config.evaluation.metrics)
    task = open_task(config)
    if not task.cross_validated:
        raise BadInput(f"task {task.name} trains nothing; run flame describe")
    cohorts = load_cohorts(config)
    patients = patients_of(task, cohorts)
    rows, warnings = summarise_cohorts(task, cohorts, patients)
    folder = RunFolder(out)
    folder.claim(config, cohorts)
    with locked(out / run_files.LOCK):
        folder.write_warnings(warnings)
        for kind, trainings in trainings_by_kind.items():
            job = Job(config, task, folder, trainings, patients, kind)
            engine = _engine_of(config, kind)
            engine.train(job, of_stage(progress, kind))
        warnings += strategy_warnings(config, out)
        folder.write_warnings(warnings)
        if not only_whole:
            folder.write_results(config)
    return TrainResult(out, tuple(rows), tuple(warnings))


def patients_of(task: Task[Any], cohorts: list[Cohort]) -> list[Any]:
    """Build the patients of every centre as a task needs them.

    Args:
        task: the task of the run.
        cohorts: the cohort of each centre.

    Returns:
        The patients of each centre.

    Raises:
        BadInput: patients of one or more centres lack something; the message tells it of each
            centre.
    """
    patients, errors = [], []
    for cohort in cohorts:
        try:
            patients.append(task.patients(cohort))
        except BadInput as error:
            errors.append(str(error))
    if errors:
        raise BadInput("\n".join(errors))
    return patients


def _engine_of(config: TrainConfig, kind: str) -> Engine:
    """Return the configured engine for federated trainings, else that of this process."""
    return open_engine(config.federation.engine if kind == FEDERATED else "in-process")


def plan_of(config: TrainConfig) -> dict[str, list[Training]]:
    """Return the trainings of a run by kind of model, in their order."""
    names = config.data.centres
    seeds = config.training.seeds
    folds = config.training.folds
    trainings = {
        FEDERATED: joint_trainings(FEDERATED, names, seeds, folds),
        LOCAL: local_trainings(names, seeds, folds),
    }
    for name in config.federation.compare:
        trainings[name] = joint_trainings(name, names, seeds, folds)
    if config.training.personalised:
        trainings[PERSONALISED] = personalised_trainings(names, seeds, folds)
    trainings[POOLED] = joint_trainings(POOLED, names, seeds, folds)
    return trainings


def load_cohorts(config: TrainConfig) -> list[Cohort]:
    """Read the cohort of every centre of a run.

    Args:
        config: the configuration of the run.

    Returns:
        Cohorts in the order of ``config.data.centres``.

    Raises:
        BadInput: a centre cannot be read, or simulated and real ones are mixed.
    """
    cohorts = [load_cohort(config, name) for name in config.data.centres]
    if len({c.simulated for c in cohorts}) > 1:
        raise BadInput("simulated and real centres in one run: their figures must not be mixed")
    return cohorts


def _check_metrics(names: tuple[str, ...]) -> None:
    if names:
        from flame.evaluation.metrics.metric import METRICS  # loads scikit-learn

        for name in names:
            METRICS[name]  # raises BadInput where the name is unknown


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the config with all centres and features listed by name, and absolute paths."""

    def absolute(path: str) -> str:
        return str(Path(path).resolve()) if path else ""

    data = replace(config.data, bids=absolute(config.data.bids), table=absolute(config.data.table))
    model = replace(config.model, encoder=absolute(config.model.encoder))
    data = replace(data, centres=centres(data))
    return with_features(replace(config, data=data, model=model))


def with_features(config: TrainConfig) -> TrainConfig:
    """Return the config with all features listed by name."""
    columns = config.data.declared

    def all_of(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(feature for name in expanded(names) for feature in columns.features(name))

    model = replace(config.model, clinical=all_of(config.model.clinical))
    baselines = {name: all_of(features) for name, features in config.baselines.items()}
    return replace(config, model=model, baselines=baselines)

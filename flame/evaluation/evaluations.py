"""How the runs of a task are evaluated: one entry a way, named by ``Task.evaluation``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from flame.core.cohort import Cohort
from flame.core.registry import Registry
from flame.evaluation.pages.sections import Evaluation
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.task import Task

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run that is trained, with the cohorts that it was trained on.

    ``patients`` is what the task sees of each cohort.
    """

    config: TrainConfig
    task: Task[Any]
    folder: RunFolder
    cohorts: list[Cohort]
    patients: list[Any]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What the report of a run is made from, and tables to write beside it, by name."""

    evaluation: Evaluation
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


EVALUATIONS: Registry[Callable[[FinishedRun, Progress], Evaluated]] = Registry("evaluation")

"""Registry of evaluations. ``Task.evaluation`` names the one that a task uses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from flame.core.cohort import Cohort
from flame.core.progress import Progress
from flame.core.registry import Registry
from flame.evaluation.pages.sections import Evaluation
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.task import Task


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A trained run with the cohorts that it was trained on.

    Args:
        config: configuration of the run.
        task: task of the run.
        folder: run folder with the trained models.
        cohorts: cohort of each centre, in the order of ``config.data.centres``.
        patients: what the task reads from each cohort, in the same order.
    """

    config: TrainConfig
    task: Task[Any]
    folder: RunFolder
    cohorts: list[Cohort]
    patients: list[Any]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Result of an evaluation.

    Args:
        evaluation: content of the report.
        tables: further tables by name, each written to a CSV file next to the report.
    """

    evaluation: Evaluation
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


EVALUATIONS: Registry[Callable[[FinishedRun, Progress], Evaluated]] = Registry("evaluation")
"""Evaluations by name: each takes a finished run and a progress callback."""

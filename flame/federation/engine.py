"""The interface of an engine, which carries out the trainings of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from flame.core.progress import Progress
from flame.core.registry import Registry
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.task import Task
from flame.federation.trainings import FEDERATED, Training


@dataclass(frozen=True, eq=False)
class Job:
    """Trainings of one kind of model, and the patients that they learn from.

    Args:
        config: the configuration of the run.
        task: the task of the run.
        run: the run folder.
        trainings: the trainings, in the order in which they run.
        patients: the patients of each centre as the task sees them, in order of the configuration.
            An engine whose sites read their own data ignores them.
        kind: kind of the trainings, such as ``federated`` or ``pooled``.
    """

    config: TrainConfig
    task: Task[Any]
    run: RunFolder
    trainings: list[Training]
    patients: list[Any]
    kind: str = FEDERATED


class Engine(Protocol):
    """Runs the trainings of a job; rounds that are on disk already are not repeated."""

    def train(self, job: Job, progress: Progress) -> None:
        """Run the trainings of a job.

        Args:
            job: the trainings.
            progress: called with the steps done and the total.

        Raises:
            FlameError: training failed, and the same command continues it.
        """


ENGINES: Registry[Callable[[], Engine]] = Registry("federation.engine")
"""Engines by the name that ``federation.engine`` selects."""

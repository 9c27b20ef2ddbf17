"""What carries the trainings of a run: this process, or NVIDIA FLARE."""

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
    """Trainings of one ``kind`` of model, and the patients whom they learn from.

    ``patients`` holds what the task sees of each centre, in order of the configuration. An engine
    whose sites read their own data does without it.
    """

    config: TrainConfig
    task: Task[Any]
    run: RunFolder
    trainings: list[Training]
    patients: list[Any]
    kind: str = FEDERATED


class Engine(Protocol):
    """Runs the trainings of a job; what is on disk already is not trained again."""

    def train(self, job: Job, progress: Progress) -> None:
        """Train; ``progress`` is called with steps done and the total.

        Raises:
            FlameError: training failed, and the same command continues it.
        """


ENGINES: Registry[Callable[[], Engine]] = Registry("federation.engine")

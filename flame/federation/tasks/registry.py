"""Registries of tasks and response models, from which a configuration chooses by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.federation.config import TrainConfig
from flame.federation.task import Task

T = TypeVar("T", bound=Task[Any])

TASKS: Registry[Callable[[TrainConfig], Task[Any]]] = Registry("task")
"""Tasks: the values of ``task``."""
RESPONSE_MODELS: Registry[Callable[[TrainConfig], Task[Any]]] = Registry("model.kind")
"""Models of the task response: the values of ``model.kind``."""


def open_task(config: TrainConfig) -> Task[Any]:
    """Return the task of a run.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: there is no such task, or the configuration does not suit it.
    """
    return TASKS[config.task](config)


def open_task_of(kind: type[T], config: TrainConfig, run: Path) -> T:
    """Return the task of a run, which has to be of one kind.

    Args:
        kind: the class that the task has to have.
        config: the configuration of the run.
        run: the run folder, for the message.

    Raises:
        BadInput: the run is on another task.
    """
    return task_of(kind, open_task(config), run)


def task_of(kind: type[T], task: Task[Any], run: Path) -> T:
    """Return ``task``, which has to be of one ``kind``.

    Args:
        kind: class of the task.
        task: the task of a run that is open already.
        run: the run folder, which the error names.

    Raises:
        BadInput: the run is on another task.
    """
    if not isinstance(task, kind):
        raise BadInput(f"{run} is a run on {task.name}; give one on {kind.name}")
    return task

"""Registries of tasks and response models, from which a configuration chooses by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.federation.config import TrainConfig
from flame.federation.task import Task

T = TypeVar("T", bound=Task[Any])

_TASKS = "flame.federation.tasks"
TASKS: Registry[Callable[[TrainConfig], Task[Any]]] = Registry("task", package=_TASKS)
"""Tasks: the values of ``task``."""
RESPONSE_MODELS: Registry[Callable[[TrainConfig], Task[Any]]] = Registry(
    "model.kind", package=_TASKS
)
"""Models of the task response: the values of ``model.kind``."""


def open_task(config: TrainConfig) -> Task[Any]:
    """Create the task that ``task`` names.

    Args:
        config: the configuration of the run.

    Returns:
        The task, with this configuration.

    Raises:
        BadInput: the task is unknown, or the configuration does not suit it.
    """
    return TASKS[config.task](config)


def open_task_of(kind: type[T], config: TrainConfig, run: Path) -> T:
    """Create the task of a run, and check its class.

    Args:
        kind: required class of the task.
        config: the configuration of the run.
        run: the run folder, which the error names.

    Returns:
        The task, an instance of ``kind``.

    Raises:
        BadInput: the run is on another task.
    """
    return task_of(kind, open_task(config), run)


def task_of(kind: type[T], task: Task[Any], run: Path) -> T:
    """Check the class of a task that is open already.

    Args:
        kind: required class of the task.
        task: the task of a run.
        run: the run folder, which the error names.

    Returns:
        ``task``, an instance of ``kind``.

    Raises:
        BadInput: the run is on another task.
    """
    if not isinstance(task, kind):
        raise BadInput(f"{run} is a run on {task.name}; give one on {kind.name}")
    return task

"""What a federation can learn: a task's half at the sites, and its half at the coordinator.

Sites train weights, which a strategy averages, and answer questions with sums over their patients.
The coordinator asks before the first round and after the last; what it learns from the answers is
``shared``, arrays by name that every site gets back.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.errors import FlameError
from flame.core.registry import Registry
from flame.core.scores import Correction, Scored, Trained, Weights
from flame.federation.config import TrainConfig

Message = dict[str, Any]
Shared = dict[str, NDArray[Any]]
VALIDATION = "validation"
"""Asks for the sum of losses of the patients kept apart, and their count."""


class Patients(Protocol):
    """The patients of one centre as a task sees them, one row a patient."""

    @property
    def centre(self) -> str:
        """Name of the centre."""

    @property
    def pseudonyms(self) -> tuple[str, ...]:
        """Name of each row."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whose row each is; empty where everyone has one."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Rows that can be learned from."""

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group of each row; folds are balanced over them."""

    def take(self, index: NDArray[np.intp]) -> Self:
        """Return the rows ``index``."""


P = TypeVar("P", bound=Patients)


class Ask(Protocol):
    """Puts ``question`` to the sites of a training; their answers in order of name.

    With ``calibrating`` a site answers from the patients kept to calibrate, else from those it
    trains on.
    """

    def __call__(
        self,
        question: str,
        given: Message,
        weights: Weights = ...,
        shared: Shared = ...,
        calibrating: bool = False,
    ) -> list[Message]:
        """Answers in order of site name."""


class Task(Protocol[P]):
    """``rounds`` of training; every ``calibration``-th patient is kept apart from it, 0: nobody.

    By those a model is calibrated, or its best round chosen (the question VALIDATION).
    """

    rounds: int
    calibration: int

    def patients(self, cohort: Cohort) -> P:
        """What the task sees of a cohort."""

    def initial_weights(self, patients: P, seed: int) -> Weights:
        """Weights that training starts from; the same at every site."""

    def weight_names(self) -> tuple[str, ...]:
        """Where in the network each array of the weights belongs, after ``initial_weights``."""

    def answer(
        self, patients: list[P], question: str, given: Message, weights: Weights, shared: Shared
    ) -> Message:
        """Sums over ``patients``, at a site."""

    def train(
        self,
        patients: list[P],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
        correction: Correction,
    ) -> Trained:
        """Train round ``number`` (from 1), at a site."""

    def score(self, patients: P, weights: Weights, shared: Shared) -> Scored:
        """How well a model tells the outcome of patients that it did not learn from, at a site."""

    def prepare(self, ask: Ask, start: Shared) -> Shared:
        """What is learned before the first round, at the coordinator.

        ``start`` is what was learned of the model to go on from, or empty.
        """

    def finish(self, ask: Ask, weights: Weights, shared: Shared) -> Shared:
        """``shared`` with what is learned after the last round, at the coordinator."""

    def network(self) -> Any:
        """The Keras network whose weights are learned, for any size of image; None without one."""


class NothingAfter:
    """The part of a task that asks nothing after the last round."""

    def finish(self, ask: Ask, weights: Weights, shared: Shared) -> Shared:
        """Nothing is added."""
        return shared


class Answered(NothingAfter):
    """The part of a task whose sites only answer: no weights, no rounds, nothing to calibrate."""

    rounds = calibration = 0

    def network(self) -> Any:
        """None."""
        return None

    def initial_weights(self, patients: Any, seed: int) -> Weights:
        """None: what is learned is shared."""
        return []

    def weight_names(self) -> tuple[str, ...]:
        """None."""
        return ()

    def train(
        self,
        patients: list[Any],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
        correction: Correction,
    ) -> Trained:
        """Never asked for."""
        raise FlameError("this task is learned from sums, not in rounds")

    def score(self, patients: Any, weights: Weights, shared: Shared) -> Scored:
        """Never asked for where nothing predicts."""
        raise FlameError("this task predicts nothing that could be scored")


def share_of(steps: int, number: int, rounds: int) -> tuple[int, tuple[float, float]]:
    """Steps of round ``number`` (from 1) of ``rounds``, and its part of the whole, 0 to 1."""
    part = ((number - 1) / rounds, number / rounds)
    return round(part[1] * steps) - round(part[0] * steps), part


TASKS: Registry[Callable[[TrainConfig], Task[Any]]] = Registry("task")


def open_task(config: TrainConfig) -> Task[Any]:
    """Return the task of a run."""
    from flame.federation.tasks import (  # noqa: F401  (they register themselves, and import this)
        evolution,
        logistic,
        response,
        segmentation,
        statistics,
        survival,
    )

    return TASKS[config.learner](config)

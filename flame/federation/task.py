"""What a federation can learn: a task's half at the sites, and its half at the coordinator.

A task says everything about itself: what it needs of a configuration and of a cohort, how sites
train and reply, what is measured, and how a report words it. No other module asks which task runs.

Sites train weights, which a strategy aggregates, and reply to queries with sums over patients. The
coordinator sends queries before the first round and after the last. What it learns from the
replies is ``shared``: arrays by name that every site receives.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, View
from flame.core.config import Rule
from flame.core.errors import BadInput
from flame.core.scores import Correction, Scored, Trained, Weights
from flame.federation.config import TrainConfig
from flame.federation.gossip.method import GOSSIP

Message = dict[str, Any]
Shared = dict[str, NDArray[Any]]
Row = dict[str, str | int]
"""A row of a table of centres."""
VALIDATION = "validation"
"""Query for the sum of losses over the patients held out for validation, and their count."""


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
        """Whose row each is; empty where everyone has one row."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Rows that can be learned from."""

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group of each row; folds are balanced over them."""

    def take(self, index: NDArray[np.intp]) -> Self:
        """Return the rows ``index``."""


P = TypeVar("P", bound=Patients)


@dataclass(frozen=True, eq=False)
class Query:
    """What a site is queried for: ``question`` names it, ``given`` are its arguments.

    ``weights`` and ``shared`` are those of the model so far.
    """

    question: str
    given: Message = field(default_factory=dict)
    weights: Weights = field(default_factory=list)
    shared: Shared = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """One round at one site: where it starts, its ``number`` from 1, and its randomness."""

    weights: Weights
    shared: Shared
    number: int
    rng: np.random.Generator
    correction: Correction = field(default_factory=Correction)


class SendQuery(Protocol):
    """Sends a query to the sites of a training; returns their replies in order of name.

    With ``calibrating`` a site replies from the patients held out for calibration, else from those
    it trains on.
    """

    def __call__(
        self,
        question: str,
        given: Message,
        weights: Weights = ...,
        shared: Shared = ...,
        calibrating: bool = False,
    ) -> list[Message]:
        """Replies in order of site name."""


@dataclass(frozen=True)
class TaskTexts:
    """How a report words a task: phrases for its checklist, and sentences on its limits.

    ``strata`` is the title and the note of the figures by stratum, empty without strata.
    """

    outcome: str
    predictors: str
    missing: str
    training: str
    output: str
    limits: Sequence[str] = ()
    strata: tuple[str, str] = ("", "")
    failures: str = ""


class Task(ABC, Generic[P]):
    """Something that centres can learn together.

    ``metrics`` are names in ``flame.evaluation``'s registry, the first is what a run is about.
    ``evaluation`` names how it is evaluated there, ``outcome`` what is predicted of a patient.
    ``strata`` are columns by whose values figures are given apart. A ``tabular`` task learns from
    one row a patient and needs no images. Without ``cross_validated`` there is a single training.
    ``rounds`` of training; every ``calibration``-th patient is held out from it, 0: nobody.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold; the message names the key.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ()
    evaluation: ClassVar[str] = ""
    outcome: ClassVar[str] = ""
    strata: ClassVar[tuple[str, ...]] = ()
    tabular: ClassVar[bool] = False
    cross_validated: ClassVar[bool] = True
    learns_in_rounds: ClassVar[bool] = False
    can_validate: ClassVar[bool] = False
    takes_plain_steps: ClassVar[bool] = False
    """Whether a site's training can be plain gradient steps, as privacy, gossip and some
    strategies need."""
    reads_predicted_masks: ClassVar[bool] = False
    rounds: int = 0
    calibration: int = 0

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        for holds, message in self.rules():
            if not holds:
                raise BadInput(message)

    def rules(self) -> Iterator[Rule]:
        """What the configuration has to be like for this task; a subclass adds its own."""
        config, training, federation = self.config, self.config.training, self.config.federation
        yield self.tabular or config.data.bids, f"task {self.name} needs images: set data.bids"
        yield (
            training.validation == 0 or self.can_validate,
            "training.validation: on tasks response (of a network) and segmentation only",
        )
        yield (
            self.learns_in_rounds or not federation.compare,
            "federation.compare: a regression from sums has no strategy",
        )
        yield (
            self.learns_in_rounds or not federation.secure,
            "federation.secure hides weights of rounds: not for regressions",
        )
        yield (
            self.learns_in_rounds or federation.bits == 32,
            "federation.bits below 32 rounds weights of rounds: not for regressions",
        )
        yield (
            GOSSIP not in (federation.strategy, *federation.compare) or self.takes_plain_steps,
            "strategy gossip: on task response, by a network",
        )
        yield (
            not config.privacy.is_private or (self.takes_plain_steps and not training.validation),
            "privacy.level is for task response by a network, without training.validation",
        )

    def view(self) -> View | None:
        """What of a patient's images the task needs; None: it reads no image."""
        return None

    @abstractmethod
    def patients(self, cohort: Cohort) -> P:
        """What the task sees of a cohort.

        Raises:
            BadInput: nobody can be learned from.
        """

    @abstractmethod
    def reply(self, patients: list[P], query: Query) -> Message:
        """Sums over ``patients``, at a site.

        Raises:
            BadInput: the query is none that this task replies to.
        """

    @abstractmethod
    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """What is learned before the first round, at the coordinator.

        Args:
            send: sends queries to the sites.
            start: what was learned of the model to continue from, or empty.
        """

    def finish(self, send: SendQuery, weights: Weights, shared: Shared) -> Shared:
        """``shared`` with what is learned after the last round, at the coordinator."""
        return shared

    def score(self, patients: P, weights: Weights, shared: Shared) -> Scored:
        """How well a model predicts patients that it did not learn from, at a site."""
        raise BadInput(f"task {self.name} predicts nothing that could be scored")

    def initial_weights(self, patients: P, seed: int) -> Weights:
        """Weights that training starts from, the same at every site; none without rounds."""
        return []

    def weight_names(self) -> tuple[str, ...]:
        """Where in the network each array of the weights belongs, after ``initial_weights``."""
        return ()

    def train(self, patients: list[P], request: TrainRequest) -> Trained:
        """Train one round, at a site."""
        raise BadInput(f"task {self.name} is learned from sums, not in rounds")

    def network(self) -> Any:
        """The Keras network whose weights are learned, for any size of image; None without one."""
        return None

    def input_columns(self) -> tuple[str, ...]:
        """Columns that the network takes as z-scores, in order; their moments are ``shared``."""
        return ()

    @abstractmethod
    def summary(self, cohorts: list[Cohort], patients: list[P]) -> tuple[list[Row], list[str]]:
        """A row of counts for each centre, and warnings.

        Raises:
            BadInput: nothing can be learned from these centres.
        """

    @abstractmethod
    def texts(self) -> TaskTexts:
        """How a report words this task."""

    @staticmethod
    def unknown(query: Query) -> BadInput:
        """The error for a query that a task does not know."""
        return BadInput(f"a site was queried for '{query.question}', which it does not reply to")


class OutcomeTask(Task[P]):
    """A task that predicts one number for each row: a probability or a score."""

    tabular = True
    evaluation = "outcomes"

    @abstractmethod
    def predict(self, patients: P, weights: Weights, shared: Shared) -> NDArray[np.float64]:
        """The prediction (n,) of each row; the higher, the better the outcome."""


def share_of(steps: int, number: int, rounds: int) -> tuple[int, tuple[float, float]]:
    """Steps of round ``number`` (from 1) of ``rounds``, and its part of the whole, 0 to 1.

    Example:
        >>> share_of(10, 2, 4)
        (3, (0.25, 0.5))
    """
    part = ((number - 1) / rounds, number / rounds)
    return round(part[1] * steps) - round(part[0] * steps), part

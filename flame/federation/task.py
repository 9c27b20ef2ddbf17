"""The interface of a task: its part at the sites, and its part at the coordinator.

A task defines all that is special about it: its requirements on a configuration and on a cohort,
how sites train and reply, its metrics, and its texts in a report. No other module depends on which
task runs.

Sites train weights, which a strategy aggregates, and reply to queries with sums over patients. The
coordinator sends queries before the first round and after the last. It computes ``shared`` from
the replies: arrays by name that every site receives.
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
"""What passes between coordinator and sites: arrays and plain values by name."""
Shared = dict[str, NDArray[Any]]
"""Arrays that all sites share, by name."""
Row = dict[str, str | int]
"""A row of a table of centres."""
VALIDATION = "validation"
"""Query for the sum of losses over the patients held out for validation, and their count."""


class Patients(Protocol):
    """The patients of one centre as a task sees them: n rows, one per patient."""

    @property
    def centre(self) -> str:
        """Name of the centre."""

    @property
    def pseudonyms(self) -> tuple[str, ...]:
        """Names (n,) of the rows."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Name (n,) of the person of each row; empty if every person has one row."""

    @property
    def independent(self) -> bool:
        """Whether the fold of a patient depends on no other, as differential privacy needs."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices (m,) of the rows that the task can learn from."""

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group (n,) of each row; folds are balanced over groups."""

    def take(self, index: NDArray[np.intp]) -> Self:
        """Return the rows with indices ``index``, in that order."""


P = TypeVar("P", bound=Patients)


@dataclass(frozen=True, eq=False)
class Query:
    """A query of the coordinator to the sites.

    Args:
        name: name of the query.
        parameters: parameters of the query.
        weights: weights of the model so far.
        shared: arrays that all sites share so far.
    """

    name: str
    parameters: Message = field(default_factory=dict)
    weights: Weights = field(default_factory=list)
    shared: Shared = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """A request to train one round at one site.

    Args:
        weights: weights to start from.
        shared: arrays that all sites share.
        number: number of the round, from 1.
        rng: generator of the randomness of this round and site.
        correction: change of the gradients, see ``Correction``.
    """

    weights: Weights
    shared: Shared
    number: int
    rng: np.random.Generator
    correction: Correction = field(default_factory=Correction)


class SendQuery(Protocol):
    """Sends a query to the sites of a training and collects their replies."""

    def __call__(
        self,
        query: str,
        parameters: Message,
        weights: Weights = ...,
        shared: Shared = ...,
        calibrating: bool = False,
    ) -> list[Message]:
        """Send a query to every site of the training.

        Args:
            query: name of the query.
            parameters: parameters of the query.
            weights: weights of the model so far.
            shared: arrays that all sites share so far.
            calibrating: whether sites reply from the patients held out for calibration instead of
                those that they train on.

        Returns:
            The replies in order of site name.
        """


@dataclass(frozen=True)
class TaskTexts:
    """Texts on a task for reports: phrases for the checklist and model card, and its limits.

    Args:
        outcome: what is predicted, and its reference standard.
        predictors: inputs of the model.
        missing: treatment of missing data.
        training: kind of model, and how it is trained.
        output: form of a prediction.
        limits: sentences on limits of the evaluation.
        strata: title and note of the metrics by stratum; empty without strata.
        failures: what the report shows of failures.
        events: word for the patients whom scores count as events, such as deaths; empty: none.
    """

    outcome: str
    predictors: str
    missing: str
    training: str
    output: str
    limits: Sequence[str] = ()
    strata: tuple[str, str] = ("", "")
    failures: str = ""
    events: str = ""


class Task(ABC, Generic[P]):
    """Base class of what centres can learn together.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold; the message names the key.
    """

    name: ClassVar[str]
    """Name of the task in a configuration."""
    title: ClassVar[str]
    """Title of the task in reports."""
    fixed_rounds: ClassVar[bool] = False
    """Whether training depends on how many rounds there are, as a falling learning rate does."""
    metrics: ClassVar[tuple[str, ...]] = ()
    """Names of its metrics in ``flame.evaluation``; the first is the main metric of a run."""
    evaluation: ClassVar[str] = ""
    """Name of its evaluation in ``flame.evaluation``."""
    outcome: ClassVar[str] = ""
    """Name of the outcome that is predicted for a patient."""
    strata: ClassVar[tuple[str, ...]] = ()
    """Columns by whose values metrics are reported separately."""
    tabular: ClassVar[bool] = False
    """Whether the task learns from one row per patient and needs no images."""
    cross_validated: ClassVar[bool] = True
    """Whether a run has folds and held-out centres; if not, it has a single training."""
    learns_in_rounds: ClassVar[bool] = False
    """Whether sites train weights in rounds."""
    replies_add_up: ClassVar[bool] = False
    """Whether all replies are sums that add up over sites, as secure aggregation needs."""
    can_validate: ClassVar[bool] = False
    """Whether sites reply to the query ``VALIDATION``."""
    takes_plain_steps: ClassVar[bool] = False
    """Whether a site's training can be plain gradient steps, as privacy, gossip and some
    strategies need."""
    whole_queries: ClassVar[tuple[str, ...]] = ()
    """Queries that sites reply to only where nobody is held out, as two replies of one site could
    differ in few patients."""
    reads_predicted_masks: ClassVar[bool] = False
    """Whether the task reads masks that ``flame segment`` predicted."""
    rounds: int = 0
    """Number of rounds of training."""
    calibration: int = 0
    """Every n-th patient is held out from training for calibration; 0: nobody is held out."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        for holds, message in self.rules():
            if not holds:
                raise BadInput(message)

    def rules(self) -> Iterator[Rule]:
        """Yield the rules that the configuration must satisfy; a subclass adds its own."""
        config = self.config
        training = config.training
        federation = config.federation
        yield self.tabular or config.data.bids, f"task {self.name} needs images: set data.bids"
        yield (
            training.validation == 0 or self.can_validate,
            "training.validation is for tasks response (by a network) and segmentation: set it to "
            "0",
        )
        yield (
            self.learns_in_rounds or not federation.compare,
            "federation.compare is not for regressions: they are computed from sums, without a "
            "strategy",
        )
        yield (
            self.replies_add_up or not federation.secure,
            "federation.secure hides weights and sums: for tasks response (by a network) and "
            "segmentation, not for regressions",
        )
        yield (
            self.learns_in_rounds or federation.bits == 32,
            "federation.bits below 32 rounds the weights of rounds: not for regressions",
        )
        yield (
            GOSSIP not in (federation.strategy, *federation.compare) or self.takes_plain_steps,
            "strategy gossip is for task response by a network",
        )
        yield (
            not config.privacy.is_private or (self.takes_plain_steps and not training.validation),
            "privacy.level is for task response by a network, without training.validation",
        )

    @property
    def probe(self) -> str:
        """Digest of a model that the run brings to the patients; empty: it brings none.

        A site counts the different ones over all runs.
        """
        return ""

    @property
    def most_sums(self) -> int:
        """Most coefficients of one training at which the coordinator queries sums."""
        return 0

    def view(self) -> View | None:
        """Return which images of a patient the task needs; None: it reads no image."""
        return None

    @abstractmethod
    def patients(self, cohort: Cohort) -> P:
        """Return the patients of a cohort as the task sees them.

        Args:
            cohort: the data of one centre.

        Returns:
            The patients of the centre, one row per patient.

        Raises:
            BadInput: the task can learn from no patient of the cohort.
        """

    @abstractmethod
    def reply(self, patients: list[P], query: Query) -> Message:
        """Reply to a query with sums over patients, at a site.

        Args:
            patients: the patients of each centre of the site.
            query: the query.

        Returns:
            The sums by name.

        Raises:
            BadInput: the task does not know the query.
        """
        raise self.unknown(query)

    @abstractmethod
    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Compute the shared arrays before the first round, at the coordinator.

        Args:
            send: sends queries to the sites.
            start: shared arrays of the model that the training continues from; empty: none.

        Returns:
            Arrays that all sites share, by name.
        """

    def finish(self, send: SendQuery, weights: Weights, shared: Shared, whole: bool) -> Shared:
        """Compute the shared arrays after the last round, at the coordinator.

        Args:
            send: sends queries to the sites.
            weights: final weights.
            shared: arrays that all sites share so far.
            whole: whether no patient of the sites is held out.

        Returns:
            ``shared``, changed or extended.
        """
        return shared

    def score(self, patients: P, weights: Weights, shared: Shared) -> Scored:
        """Score a model on patients that it did not learn from, at a site."""
        raise BadInput(f"task {self.name} predicts nothing that could be scored")

    def initial_weights(self, patients: P, seed: int) -> Weights:
        """Create the initial weights, the same at every site; empty without rounds."""
        return []

    def weight_names(self) -> tuple[str, ...]:
        """Return the place of each weight array in the network; needs ``initial_weights`` first."""
        return ()

    def train(self, patients: list[P], request: TrainRequest) -> Trained:
        """Train one round, at a site.

        Args:
            patients: the patients of each centre of the site.
            request: weights to start from, correction and randomness of the round.

        Returns:
            The trained weights, the mean loss and the number of steps.

        Raises:
            BadInput: the task does not train in rounds.
        """
        raise BadInput(f"task {self.name} learns from sums, not in rounds")

    def network(self) -> Any:
        """Return the Keras network that is trained, for any size of image; None without one."""
        return None

    def input_columns(self) -> tuple[str, ...]:
        """Return the columns that the network takes as z-scores, in order.

        Returns:
            Names of the columns; their moments are in ``shared``.
        """
        return ()

    @abstractmethod
    def summary(self, cohorts: list[Cohort], patients: list[P]) -> tuple[list[Row], list[str]]:
        """Summarise the centres before training.

        Args:
            cohorts: the data of each centre.
            patients: the patients of each centre as the task sees them, in the same order.

        Returns:
            A row of counts for each centre, and warnings.

        Raises:
            BadInput: the task can learn nothing from these centres.
        """

    @abstractmethod
    def texts(self) -> TaskTexts:
        """Return the texts on this task for reports."""

    @staticmethod
    def unknown(query: Query) -> BadInput:
        """Create the error for a query that a task does not know."""
        return BadInput(f"a site was queried for '{query.name}', which it does not reply to")


class OutcomeTask(Task[P]):
    """A task that predicts one number for each row: a probability or a score."""

    tabular = True
    evaluation = "outcomes"

    @abstractmethod
    def predict(self, patients: P, weights: Weights, shared: Shared) -> NDArray[np.float64]:
        """Predict the outcome of each row.

        Args:
            patients: the patients of one centre, n rows.
            weights: weights of the model.
            shared: arrays that all sites share.

        Returns:
            Predictions (n,); the higher, the better the outcome.
        """


def share_of(steps: int, number: int, rounds: int) -> tuple[int, tuple[float, float]]:
    """Split the steps of a training into rounds.

    Args:
        steps: number of steps of all rounds.
        number: number of the round, from 1.
        rounds: number of rounds.

    Returns:
        Number of steps of the round; and where it begins and ends, as fractions of the training.

    Example:
        >>> share_of(10, 2, 4)
        (3, (0.25, 0.5))
    """
    part = ((number - 1) / rounds, number / rounds)
    return round(part[1] * steps) - round(part[0] * steps), part

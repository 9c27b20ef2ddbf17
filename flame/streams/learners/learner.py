"""Learners, which train the models of all nodes on one batch after another."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from flame.core.config import Section, build
from flame.core.registry import Registry
from flame.streams.exchange import Exchange
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.server import Averages, Server, ServerPart
from flame.streams.stream import Batch


@dataclass(frozen=True)
class Pace(Section):
    """Training of one step of a stream: rounds, local steps and the learning rate."""

    rounds: Annotated[int, Ge(1)] = 40
    """Rounds in each step."""
    local_steps: Annotated[int, Ge(1)] = 5
    """Steps of Adam in each round, each on all rows that a node trains on."""
    rate: Annotated[float, Gt(0), Le(1)] = 0.02
    """Learning rate of Adam."""
    annealed: bool = False
    """Whether the rate falls linearly to 0 over the rounds of a step. At a constant rate the models
    of a sparse graph stay as far apart as one round of training moves them (Yuan 2016,
    10.1137/130943170)."""

    def rate_of(self, number: int) -> float:
        """Compute the learning rate of a round.

        Args:
            number: number of the round in its step, from 0.

        Returns:
            The learning rate: ``rate``, or rate * (1 - number / rounds) where it is annealed.

        Example:
            >>> Pace(rounds=4, rate=0.2, annealed=True).rate_of(3)
            0.05
        """
        return self.rate * (1 - number / self.rounds) if self.annealed else self.rate


class Learner:
    """A method that learns from a stream; a dataclass whose fields are its options.

    ``models`` (n, size) are the models with which the nodes predict. ``alarms`` (n,) marks the
    nodes that assigned the newest batch to another concept. ``divergence`` is the mean distance of
    the nodes' models from their mean after the first local training of a step, before they were
    mixed.

    A learner with ``is_oracle`` uses the true concepts, which are only known in simulations. A
    learner that is ``alarming`` raises alarms. A learner that ``mixes`` has one model for each
    node, which the strategy or gossip method combines. The others average models by the rows that
    each node trained on. A ``distributed`` learner hears of other nodes by its exchange alone, so
    that each node can be in a process of its own; with ``at_server`` also where the exchange is a
    server. What a learner ``tells`` of its batches beside models, such as evidence, the policy of a
    site can forbid.
    """

    is_oracle: ClassVar[bool] = False
    alarming: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    distributed: ClassVar[bool] = False
    at_server: ClassVar[bool] = False
    tells: ClassVar[str] = ""
    divergence: float = float("nan")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """Start all nodes from the same weights.

        Args:
            network: the network to train.
            exchange: how nodes exchange models.
            pace: training of a step.
            seed: decides the initial weights and the random draws of the learner.
        """
        self.network = network
        self.exchange = exchange
        self.pace = pace
        rng = np.random.default_rng([seed, 1])  # the stream of the seed has another generator
        self.start = np.tile(network.start(rng), (exchange.nodes, 1))
        self.models = self.start
        self.alarms = np.zeros(exchange.nodes, bool)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """Learn from the batches of all nodes in one step.

        Args:
            batch: the batch.
            concept: true concept (n,) of each node, for learners with ``is_oracle``.
        """
        raise NotImplementedError

    def server_part(self) -> ServerPart | None:
        """Return what the server does for this learner, whose exchange is of all nodes.

        Returns:
            The server's part; None where the exchange is no server.
        """
        if not isinstance(self.exchange, Server):
            return None
        return Averages(self.exchange, [self.start], self.mixes)

    def told(self, level: float) -> NDArray[np.bool_]:
        """Say at which nodes the newest batch has another concept.

        Args:
            level: largest probability of a false alarm of a node in a step, for learners that can
                keep to one.

        Returns:
            Mask (n,) of these nodes.
        """
        return self.alarms

    def skip(self, steps: int) -> None:
        """Pass steps in which the nodes of this process took no part.

        Args:
            steps: number of steps.
        """
        self.exchange.skip(steps * self.pace.rounds)

    def rounds(
        self, adams: Iterable[Adam], first: int = 0, many: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Go through rounds of a step, and set the learning rate and the participating nodes.

        Args:
            adams: optimizers, which receive the rate of the round and move the participating nodes
                only.
            first: number of the first of these rounds in the step.
            many: number of rounds; None: all of the step.

        Yields:
            The number of the round, from 0, and the mask (n,) of the nodes that take part.
        """
        last = self.pace.rounds if many is None else first + many
        for number in range(first, last):
            participating = self.exchange.next()
            for adam in adams:
                adam.rate = self.pace.rate_of(number)
                adam.who = participating
            yield number, participating

    def predict(self, x: Array) -> Array:
        """Predict the probability of each class.

        Args:
            x: features (n, m, ...).

        Returns:
            Probabilities (n, m, classes).
        """
        return self.network.probability(self.models, x)


def apart(models: Array) -> float:
    """Compute how far the nodes' models are apart.

    Args:
        models: models (n, size).

    Returns:
        The mean Euclidean distance of the models from their mean.

    Example:
        >>> apart(np.array([[0.0], [2.0]]))
        1.0
    """
    return float(np.linalg.norm(models - models.mean(axis=0), axis=1).mean())


LEARNERS: Registry[type[Learner]] = Registry("stream learner", Learner)


def open_learner(name: str, options: Mapping[str, float]) -> Learner:
    """Open a learner by its name.

    Args:
        name: name of a registered learner.
        options: values of its options by name; the others have their defaults.

    Returns:
        The learner with its options, before ``begin``.

    Raises:
        BadInput: the learner or an option is unknown, or a value is wrong.

    Example:
        >>> open_learner("window", {"steps": 2})
        Window(steps=2)
    """
    return build(LEARNERS[name], dict(options), f"learner '{name}'", "methods.options.")

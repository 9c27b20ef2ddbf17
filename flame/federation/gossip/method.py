"""Interface of the gossip methods: how a node mixes its model with the models that it receives.

The models of n nodes are the rows of a matrix (n, p), so that one matrix product mixes all of
them. A method is a frozen dataclass whose fields are its options. ``NodeStates`` holds everything
that a method remembers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flame.core.config import Section, build
from flame.core.registry import Registry

Array = NDArray[np.float64]
NO_DATA = 1e-6
"""Count of a node without data, where a node with one row has 1."""
GOSSIP = "gossip"
"""Name of the strategy of ``flame train`` by which sites learn peer to peer."""
PER_SITE = ("dpsgd", "clipped-gossip", "neighbour-trimmed-mean")
"""Methods that need only the neighbours' models of a round, so that each site can run them."""


@dataclass(frozen=True, eq=False)
class NodeStates:
    """The models of all nodes, and the memory of a method.

    Args:
        models: one model per row (n, p).
        memory: arrays of the method by name; their first axis is the node.
    """

    models: Array
    memory: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Round:
    """The mixing weights of a round, and which messages arrived.

    Args:
        weights: mixing matrix (n, n). Row i holds the weights that node i gives to the models of
            all nodes, its own included. It is doubly stochastic, except for push-sum, where only
            the rows sum to 1.
        arrived: mask (n, n), True in row i and column j if node i received the message of node j.
            It has a meaning only where the weight is not 0. The diagonal is True.
        participating: mask (n,), True for the nodes that take part in the round.
        rng: random numbers for methods that draw.
    """

    weights: Array
    arrived: NDArray[np.bool_]
    participating: NDArray[np.bool_]
    rng: np.random.Generator

    @property
    def hears(self) -> NDArray[np.bool_]:
        """Links (n, n): True in row i and column j where node i receives node j if nothing is lost.

        The diagonal is False.
        """
        links = (self.weights > 0) & self.participating[:, None] & self.participating
        np.fill_diagonal(links, val=False)
        return links

    @property
    def kept(self) -> Array:
        """Mixing matrix (n, n) after losses; rows sum to 1.

        The weight of a lost message is added to the node's own.

        Example:
            >>> arrived = np.array([[True, False], [True, True]])
            >>> half = np.full((2, 2), 0.5)
            >>> Round(half, arrived, np.ones(2, bool), np.random.default_rng(0)).kept.tolist()
            [[1.0, 0.0], [0.5, 0.5]]
        """
        received = np.where(self.arrived, self.weights, 0.0)
        np.fill_diagonal(received, 0.0)
        return np.asarray(received + np.diag(1 - received.sum(axis=1)))

    def by(self, counts: Array) -> Array:
        """Compute averaging weights proportional to counts, such as numbers of patients.

        Nodes without data get a negligible weight but still relay.

        Args:
            counts: count (n,) of each node, 0 or more.

        Returns:
            Matrix (n, n) with W_ij max(c_j, 1e-6) where the message arrived, scaled so that rows
            sum to 1.

        Example:
            >>> half = np.full((2, 2), 0.5)
            >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
            >>> now.by(np.array([3.0, 1.0])).tolist()
            [[0.75, 0.25], [0.75, 0.25]]
        """
        weights = np.where(self.arrived, self.weights, 0.0) * np.maximum(counts, NO_DATA)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class Method(Section):
    """Mixes the nodes' models after local training. No method changes its arguments.

    A subclass declares its options as fields, registers itself in ``METHODS`` and overrides
    ``mix``.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"liars": "num_byzantine", "rate": "step_size"}
    """Former names of options, each with its present name."""

    lossless: ClassVar[bool] = False
    """Whether the method needs links that never change and lose no message."""

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Mix the nodes' models after the local training of a round.

        Args:
            before: models before the round's local training, and the memory.
            trained: models (n, p) after the round's local training.
            now: mixing weights and arrived messages of the round.

        Returns:
            The mixed models (n, p), and the next memory.

        Raises:
            NotImplementedError: a subclass does not override the method.
        """
        raise NotImplementedError

    def check(self, heard: NDArray[np.int_]) -> None:
        """Check that the method can mix models on a topology; by default it accepts every one.

        Args:
            heard: number (n,) of other nodes that each node receives from.

        Raises:
            BadInput: no node receives from enough other nodes.
        """

    def numbers(self, size: int, now: Round) -> Array:
        """Count the numbers that each node sends in a round.

        Args:
            size: number p of parameters of a model.
            now: the round.

        Returns:
            Count (n,) by sender; a message to k receivers counts k times.
        """
        return np.asarray(size * now.hears.sum(axis=0), float)


METHODS: Registry[type[Method]] = Registry("gossip method", Method)
"""Gossip methods by the name that ``gossip.method`` selects."""


def open_method(name: str, options: Mapping[str, float]) -> Method:
    """Create a gossip method with its options.

    Args:
        name: name of a registered method.
        options: values of its options by name; the others have their defaults.

    Returns:
        The method.

    Raises:
        BadInput: the method or an option is unknown, or a value is out of bounds.
    """
    return build(METHODS[name], dict(options), f"gossip method '{name}'", "gossip.options.")

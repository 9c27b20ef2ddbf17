"""What nodes send each other in a round, and how it travels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.method import Round
from flame.streams.networks.base import Array

MOST_ROWS = 1e9
"""Largest count of rows that a site can have."""
LARGEST = 1e6
"""Largest size of a parameter in a message: larger ones end the training of those who average them,
though they are finite."""


class Shared(NamedTuple):
    """One model of each node, as it travels.

    Args:
        models: parameters (n, size).
        counts: number (n,) of rows or batches that each was trained on.
        held: mask (n,) of the nodes that have it; only they send it.
    """

    models: Array
    counts: Array
    held: NDArray[np.bool_]


@dataclass(eq=False)
class News:
    """What nodes tell all others: it is forwarded from round to round.

    Args:
        told: the news of each node that this process knows, by its number.
        sizes: their sizes in numbers.
        reach: mask (own, n): whether the news of the column's node reached the row's node.
    """

    told: dict[int, Any] = field(default_factory=dict)
    sizes: dict[int, float] = field(default_factory=dict)
    reach: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))


class Transport(Protocol):
    """Carries the messages of a round between nodes.

    ``own`` holds the numbers of the nodes whose models are in this process, in rising order.
    """

    own: NDArray[np.int_]

    def share(
        self, topic: str, now: Round, parts: Mapping[str, Shared], news: News
    ) -> tuple[Mapping[str, Shared], Round, Array]:
        """Send the parts of own nodes, and return those of all nodes.

        Args:
            topic: names the message; the same at every node.
            now: the round, with the messages that arrive if all are sent.
            parts: models of own nodes, by a name that is the same at every node.
            news: what is forwarded beside; what arrives is added.

        Returns:
            The parts of all n nodes, 0 and not held where nothing arrived, the round with the
            messages that did, and the numbers (own,) that were sent as news.
        """
        ...


class OneProcess:
    """All nodes are in this process, and nothing is lost but what the round says.

    Args:
        nodes: number of nodes.
    """

    def __init__(self, nodes: int) -> None:
        self.own = np.arange(nodes)

    def share(
        self, topic: str, now: Round, parts: Mapping[str, Shared], news: News
    ) -> tuple[Mapping[str, Shared], Round, Array]:
        """See ``Transport``. Receivers are sent the news that they lack."""
        numbers = np.zeros(len(self.own))
        if news.told:
            sizes = np.array([news.sizes[k] for k in self.own.tolist()])
            numbers = np.where(now.hears, ~news.reach * sizes @ news.reach.T, 0.0).sum(axis=0)
            received = now.arrived & (now.weights > 0)
            news.reach = news.reach | ((received.astype(int) @ news.reach) > 0)
        return parts, now, numbers


def checked_model(model: Any, count: Any, shape: tuple[int, ...]) -> tuple[Array, float]:
    """Check a model that another process has sent.

    Args:
        model: its parameters.
        count: number of rows or batches behind it.
        shape: shape that the parameters must have.

    Returns:
        Parameters and count.

    Raises:
        BadInput: the model has another shape, is not finite or larger than any that learns, or the
            count is no number that a site can have.
    """
    try:
        array, number = np.asarray(model, float), float(count)
    except (TypeError, ValueError, OverflowError):
        raise BadInput("a model that is no array of numbers") from None
    fits = array.shape == shape and (np.abs(array) <= LARGEST).all()  # NaN is not
    if not fits or not 0 <= number <= MOST_ROWS:
        raise BadInput("a model of another shape, not finite, too large, or of an impossible count")
    return array, number

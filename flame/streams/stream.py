"""Batches and streams: the rows that each node receives in each step."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.topology import Links
from flame.streams.arrivals import Arrivals
from flame.streams.networks.base import Array, Labels


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of all nodes in one step, padded to the node with the most rows.

    Args:
        x: features (node, m, ...).
        y: labels (node, m) to train on.
        truth: true labels (node, m) to test on; they differ from ``y`` where the stream declares
            label noise.
        exists: mask (node, m) of the rows that exist; the others are padding.
    """

    x: Array
    y: Labels
    truth: Labels
    exists: NDArray[np.bool_]

    @property
    def weight(self) -> Array:
        """Weights (node, m): 1.0 for a row that exists, 0.0 for padding."""
        return self.exists.astype(float)


@dataclass(frozen=True, eq=False)
class Frame:
    """What every node and the server know of a stream: not its rows.

    Args:
        nodes: names of the nodes.
        steps: number of batches.
        shape: shape of the features of one row.
        classes: names of the classes.
        links: links (node, node) between neighbours by geography; None: the nodes have no places.
        features: names of the features; empty: they have none.
    """

    nodes: tuple[str, ...]
    steps: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    links: Links | None = None
    features: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, or else their numbers."""
        numbers = range(1, 1 + int(np.prod(self.shape)))
        return self.features or tuple(f"feature {number}" for number in numbers)


@dataclass(frozen=True, eq=False)
class Stream:
    """The batches of all nodes over time.

    Args:
        nodes: names of the nodes.
        classes: names of the classes.
        batches: one batch for each step.
        concept: number of the concept (step, node); -1 where it is unknown. Only simulated drift
            has known concepts.
        simulated: whether the rows are simulated.
        links: links (node, node) between neighbours by geography; None: the nodes have no places.
        places: latitude and longitude (node, 2) in degrees; None: the nodes have no places.
        moving: mask (step, node) of the steps at which a gradual or incremental change begins or
            continues; None: changes are sudden or unknown.
        left_out: number of rows of a table that are in no batch.
        silent: names of nodes of a table that are left out, as none of their rows is in a batch.
        features: names of the features; empty: they have none.
        arrivals: what arrived in each step at each node, before it was scaled; empty: the features
            of the batches.
    """

    nodes: tuple[str, ...]
    classes: tuple[str, ...]
    batches: tuple[Batch, ...]
    concept: NDArray[np.int_]
    simulated: bool
    links: Links | None = None
    places: Array | None = None
    moving: NDArray[np.bool_] | None = None
    left_out: int = 0
    silent: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    arrivals: tuple[tuple[Arrivals, ...], ...] = ()

    def arrived(self, step: int, node: int) -> Arrivals:
        """Return the rows that arrived at a node in a step.

        Args:
            step: number of the step, from 0.
            node: number of the node, from 0.

        Returns:
            The rows, as far as it is known with their devices and patients.
        """
        if self.arrivals:
            return self.arrivals[step][node]
        batch = self.batches[step]
        return Arrivals.of(batch.x[node][batch.exists[node]])

    @property
    def rows(self) -> int:
        """Number of rows of all batches and nodes."""
        return int(sum(batch.exists.sum() for batch in self.batches))

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Mask (step, node) of the steps at which the concept changes or continues to change."""
        first = np.zeros((1, len(self.nodes)), bool)
        differs = np.vstack([first, self.concept[1:] != self.concept[:-1]])
        return differs if self.moving is None else differs | self.moving

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the features of one row."""
        return self.batches[0].x.shape[2:]

    @property
    def frame(self) -> Frame:
        """What every node knows of it."""
        return Frame(
            self.nodes, len(self.batches), self.shape, self.classes, self.links, self.features
        )

    def first(self, steps: int) -> "Stream":
        """Cut the stream after its first steps.

        Args:
            steps: number of steps to keep.

        Returns:
            A stream of the first ``steps`` steps.
        """
        moving = None if self.moving is None else self.moving[:steps]
        return replace(
            self,
            batches=self.batches[:steps],
            concept=self.concept[:steps],
            moving=moving,
            arrivals=self.arrivals[:steps],
        )

    def of(self, node: int) -> "Stream":
        """Return the stream of one node, as a process of its own has it.

        Args:
            node: number of the node.

        Returns:
            Its batches, padded only where it has no row. It knows neither links nor places.
        """
        batches = []
        for batch in self.batches:
            rows = [part[node][batch.exists[node]] for part in (batch.x, batch.y, batch.truth)]
            batches.append(padded([(rows[0], rows[1], rows[2])], self.shape, least=1))
        return replace(
            self,
            nodes=(self.nodes[node],),
            batches=tuple(batches),
            concept=self.concept[:, [node]],
            links=None,
            places=None,
            moving=None if self.moving is None else self.moving[:, [node]],
            silent=(),
            arrivals=tuple((each[node],) for each in self.arrivals),
        )


def padded(
    rows: list[tuple[Array, Labels, Labels]], shape: tuple[int, ...], least: int = 0
) -> Batch:
    """Pad the rows of all nodes to one number of rows.

    Args:
        rows: features (m, ...), labels (m,) and true labels (m,) of each node; m may differ.
        shape: shape of the features of one row.
        least: least number of rows.

    Returns:
        The batch, in which padding is 0.

    Example:
        >>> one, two = np.ones((1, 3)), np.ones((2, 3))
        >>> y = np.array([0, 1])
        >>> padded([(one, y[:1], y[:1]), (two, y, y)], shape=(3,)).exists.tolist()
        [[True, False], [True, True]]
    """
    most = max((len(y) for _, y, _ in rows), default=0)
    most = max(most, least)
    x = np.zeros((len(rows), most, *shape))
    y = np.zeros((len(rows), most), np.int64)
    truth = np.zeros((len(rows), most), np.int64)
    exists = np.zeros((len(rows), most), bool)
    for node, (features, labels, true_labels) in enumerate(rows):
        count = len(labels)
        x[node, :count] = features
        y[node, :count] = labels
        truth[node, :count] = true_labels
        exists[node, :count] = True
    return Batch(x, y, truth, exists)

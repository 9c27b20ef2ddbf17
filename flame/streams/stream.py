"""What nodes see over time: one batch a step, tested on before it is learned from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.topology import Links
from flame.streams.networks.base import Array, Labels


@dataclass(frozen=True, eq=False)
class Batch:
    """A step of all nodes, padded to the node with the most rows.

    ``x`` (node, m, ...) features, ``y`` (node, m) labels to learn from, ``truth`` those to be
    tested on (they differ where label noise is declared), ``there`` (node, m) which rows exist.
    """

    x: Array
    y: Labels
    truth: Labels
    there: NDArray[np.bool_]

    @property
    def weight(self) -> Array:
        """1.0 for every row that exists."""
        return self.there.astype(float)


@dataclass(frozen=True, eq=False)
class Stream:
    """``batches``, a step each, of ``nodes``.

    ``concept`` (step, node) is known of simulated drift only; -1 where it is not. ``moving`` (step,
    node) says where a concept is on its way to another. ``links`` are those of geography, where
    nodes have a place; ``left_out`` counts rows of tables that are in no batch.
    """

    nodes: tuple[str, ...]
    classes: tuple[str, ...]
    batches: tuple[Batch, ...]
    concept: NDArray[np.int_]
    simulated: bool
    links: Links | None = None
    moving: NDArray[np.bool_] | None = None
    left_out: int = 0

    @property
    def rows(self) -> int:
        """Of all batches and nodes."""
        return int(sum(batch.there.sum() for batch in self.batches))

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Where (step, node) rows are of another concept than a step before, or more of them."""
        first = np.zeros((1, len(self.nodes)), bool)
        found = np.vstack([first, self.concept[1:] != self.concept[:-1]])
        return found if self.moving is None else found | self.moving

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's features."""
        return self.batches[0].x.shape[2:]

    def first(self, steps: int) -> "Stream":
        """The stream's beginning."""
        moving = None if self.moving is None else self.moving[:steps]
        return replace(
            self, batches=self.batches[:steps], concept=self.concept[:steps], moving=moving
        )


def padded(rows: list[tuple[Array, Labels, Labels]], shape: tuple[int, ...]) -> Batch:
    """A batch of nodes that have different numbers of rows: features, labels, true labels."""
    most = max((len(y) for _, y, _ in rows), default=0)
    x = np.zeros((len(rows), most, *shape))
    y, truth = (np.zeros((len(rows), most), np.int64) for _ in range(2))
    there = np.zeros((len(rows), most), bool)
    for node, (features, labels, true) in enumerate(rows):
        count = len(labels)
        x[node, :count], y[node, :count], truth[node, :count] = features, labels, true
        there[node, :count] = True
    return Batch(x, y, truth, there)

"""The bank of models that nodes share, and the batches that taught each model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

FORGOTTEN = -1
"""Stands for no entry: of a batch that a node does not remember, or does not have."""


@dataclass(eq=False)
class BankEntry:
    """One model of the bank, as each node has it.

    Args:
        opened: step and node that opened it.
        models: parameters (n, size) of the model at each node.
        held: mask (n,) of the nodes that hold it.
        backbone: number (n,) of its backbone as each node knows it; entries with the same number
            share their representation.
    """

    opened: tuple[int, int]
    models: Array
    held: NDArray[np.bool_]
    backbone: NDArray[np.int_]


@dataclass(eq=False)
class Memory:
    """A batch that nodes remember.

    Args:
        step: step of the batch.
        batch: the batch of all nodes.
        predicted: probabilities (n, m, classes) that each node predicted before it learned the
            batch.
        entry: number (n,) of the entry that the batch teaches at each node, or ``FORGOTTEN``.
    """

    step: int
    batch: Batch
    predicted: Array
    entry: NDArray[np.int_]


@dataclass(eq=False)
class Bank:
    """The entries and memories of all nodes.

    Args:
        entries: the models; the number of an entry is its place in this list.
        memories: remembered batches, the oldest first.
        backbones: number of backbones so far.
    """

    entries: list[BankEntry] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    backbones: int = 0

    @property
    def taught(self) -> NDArray[np.int_]:
        """Number (n, memory) of the entry that each memory teaches at each node."""
        return np.stack([memory.entry for memory in self.memories], axis=1)

    def counts(self) -> NDArray[np.int_]:
        """Return the number of memories (n, entry) of each node in each entry."""
        taught = self.taught
        return np.stack([(taught == i).sum(axis=1) for i in range(len(self.entries))], axis=1)

    def rows(self, entry: int | None = None, fade: float = 1.0) -> Array:
        """Compute the weights with which rows train an entry.

        Args:
            entry: number of the entry; None: all rows that are not forgotten.
            fade: weight of a batch relative to that of the next step.

        Returns:
            Weights (n, all remembered rows), memory by memory.
        """
        masks = [m.entry != FORGOTTEN if entry is None else m.entry == entry for m in self.memories]
        newest = self.memories[-1].step
        parts = [
            m.batch.weight * mask[:, None] * fade ** (newest - m.step)
            for m, mask in zip(self.memories, masks, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def open(self, step: int, node: int, model: Array, kin: BankEntry | None = None) -> int:
        """Add an entry that its node alone holds.

        Args:
            step: step in which it is opened.
            node: node that opens it.
            model: parameters (size,).
            kin: entry whose backbone it shares; None: it receives a new backbone.

        Returns:
            The number of the entry.
        """
        nodes = len(self.memories[0].entry)
        held = np.zeros(nodes, bool)
        held[node] = True
        if kin is None:
            backbone = np.full(nodes, self.backbones)
            self.backbones += 1
        else:
            backbone = kin.backbone.copy()
        self.entries.append(BankEntry((step, node), np.tile(model, (nodes, 1)), held, backbone))
        return len(self.entries) - 1

    def join(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        """Merge entries at a node: average their models, weighted by memories.

        Args:
            node: the node.
            root: number (entry,) of the entry that each entry becomes.
            counts: number (entry,) of memories of each entry at the nodes whose news arrived.
        """
        for keep in np.unique(root):
            group = [i for i in np.flatnonzero(root == keep) if self.entries[i].held[node]]
            if group in ([], [keep]):
                continue
            weight = np.maximum(counts[group], 1e-9)
            models = np.stack([self.entries[i].models[node] for i in group])
            backbones = [self.entries[i].backbone[node] for i in {*group, keep}]
            for entry in self.entries:
                if entry.backbone[node] in backbones:
                    entry.backbone[node] = min(backbones)
            for i in group:
                self.entries[i].held[node] = False
            self.entries[keep].models[node] = weight @ models / weight.sum()
            self.entries[keep].held[node] = True
        for memory in self.memories:
            if memory.entry[node] != FORGOTTEN:
                memory.entry[node] = root[memory.entry[node]]

    def forget(self, most: int, rng: np.random.Generator) -> None:
        """Make nodes with too many memories forget one, and drop batches that no node remembers.

        A node forgets a random memory, but not the newest, of the entry with the most memories.

        Args:
            most: number of memories that a node may keep.
            rng: draws the memories.
        """
        taught = self.taught
        for node in np.flatnonzero((taught != FORGOTTEN).sum(axis=1) > most):
            earlier = taught[node, :-1]
            entries, sizes = np.unique(earlier[earlier != FORGOTTEN], return_counts=True)
            candidates = np.flatnonzero(earlier == entries[sizes.argmax()])
            self.memories[rng.choice(candidates)].entry[node] = FORGOTTEN
        self.memories = [m for m in self.memories if (m.entry != FORGOTTEN).any()]

    def drop_unused(self) -> NDArray[np.int_]:
        """Drop entries without a memory.

        Returns:
            The numbers (kept,) that the remaining entries had before.
        """
        used = (self.counts() > 0).any(axis=0)
        kept = np.flatnonzero(used)
        number = np.append(np.cumsum(used) - 1, FORGOTTEN)  # FORGOTTEN, -1, indexes the last
        self.entries = [self.entries[i] for i in kept]
        for memory in self.memories:
            memory.entry = number[memory.entry]
        return kept


def roots(pairs: Sequence[tuple[int, int]], opened: Sequence[tuple[int, int]]) -> NDArray[np.int_]:
    """Find the entry that each entry becomes when pairs are merged: the first that was opened.

    Args:
        pairs: pairs of numbers of entries.
        opened: step and node that opened each entry.

    Returns:
        Numbers (entry,) of entries.

    Example:
        >>> roots([(1, 2)], opened=[(0, 0), (2, 0), (1, 1)]).tolist()
        [0, 2, 2]
    """
    root = np.arange(len(opened))
    for first, second in pairs:
        a = root[first]
        b = root[second]
        kept, merged = (a, b) if opened[a] <= opened[b] else (b, a)
        root[root == merged] = kept
    return root

"""The bank of models that nodes share, and the batches that taught each model."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

_MOST_NODES = 1 << 20
"""Nodes that the number of a backbone tells apart: step * this + the node that opened it."""
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
        heard: number (n,) of memories that all other nodes have of it, as each node last heard.
    """

    opened: tuple[int, int]
    models: Array
    held: NDArray[np.bool_]
    backbone: NDArray[np.int_]
    heard: NDArray[np.int_]


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
    """The entries and memories of the nodes of this process.

    Args:
        nodes: number n of these nodes.
        entries: the models, in the order in which they were opened; the number of an entry is its
            place in this list.
        memories: remembered batches, the oldest first.
    """

    nodes: int
    entries: list[BankEntry] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)

    @property
    def taught(self) -> NDArray[np.int_]:
        """Number (n, memory) of the entry that each memory teaches at each node."""
        none = np.zeros((self.nodes, 0), int)
        return np.hstack([none, *(memory.entry[:, None] for memory in self.memories)])

    @property
    def opened(self) -> list[tuple[int, int]]:
        """Step and node that opened each entry."""
        return [entry.opened for entry in self.entries]

    def counts(self) -> NDArray[np.int_]:
        """Return the number of memories (n, entry) of each node in each entry."""
        taught = self.taught
        counts = [(taught == i).sum(axis=1) for i in range(len(self.entries))]
        return np.array(counts, int).reshape(-1, self.nodes).T

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

    def place(self, opened: tuple[int, int], model: Array, kin: BankEntry | None = None) -> int:
        """Return the number of an entry, which is added where it is unknown, and then held nowhere.

        Args:
            opened: step and node that opened it.
            model: parameters (size,) of a new entry.
            kin: entry whose backbone a new entry shares; None: it has its own.

        Returns:
            The number of the entry; those of later entries rise by 1 where it is added.
        """
        number = bisect_left(self.opened, opened)
        if number < len(self.entries) and self.entries[number].opened == opened:
            return number
        own = np.full(self.nodes, opened[0] * _MOST_NODES + opened[1])
        entry = BankEntry(
            opened,
            np.tile(model, (self.nodes, 1)),
            np.zeros(self.nodes, bool),
            own if kin is None else kin.backbone.copy(),
            np.zeros(self.nodes, int),
        )
        self.entries.insert(number, entry)
        for memory in self.memories:
            memory.entry[memory.entry >= number] += 1
        return number

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
        heard = [entry.heard[node] for entry in self.entries]
        for entry, total in zip(self.entries, np.bincount(root, heard, len(root)), strict=True):
            entry.heard[node] = total
        for memory in self.memories:
            if memory.entry[node] != FORGOTTEN:
                memory.entry[node] = root[memory.entry[node]]

    def forget(self, most: int, rngs: Sequence[np.random.Generator]) -> None:
        """Make nodes with too many memories forget one, and drop batches that no node remembers.

        A node forgets a random memory, but not the newest, of the entry with the most memories.

        Args:
            most: number of memories that a node may keep.
            rngs: random numbers (n,) of each node, which draw its memories.
        """
        taught = self.taught
        for node in np.flatnonzero((taught != FORGOTTEN).sum(axis=1) > most).tolist():
            earlier = taught[node, :-1]
            entries, sizes = np.unique(earlier[earlier != FORGOTTEN], return_counts=True)
            candidates = np.flatnonzero(earlier == entries[sizes.argmax()])
            self.memories[rngs[node].choice(candidates)].entry[node] = FORGOTTEN
        self.memories = [m for m in self.memories if (m.entry != FORGOTTEN).any()]

    def drop_unused(self) -> NDArray[np.int_]:
        """Let nodes drop entries of which they know no memory, and forget those that none holds.

        Returns:
            The numbers (kept,) that the remaining entries had before.
        """
        counts = self.counts()
        for entry, own in zip(self.entries, counts.T, strict=True):
            entry.held = entry.held & (own + entry.heard > 0)
        held = [entry.held.any() for entry in self.entries]
        used = np.array(held, bool) | (counts > 0).any(axis=0)
        kept = np.flatnonzero(used)
        number = np.append(np.cumsum(used) - 1, FORGOTTEN)  # FORGOTTEN, -1, indexes the last
        self.entries = [self.entries[i] for i in kept]
        for memory in self.memories:
            memory.entry = number[memory.entry]
        return kept


def name_of(opened: tuple[int, int]) -> str:
    """Return the name of an entry, which is the same at every node.

    Args:
        opened: step and node that opened it.

    Returns:
        The step and the node with a dot between them.

    Example:
        >>> name_of((2, 0))
        '2.0'
    """
    return f"{opened[0]}.{opened[1]}"


def roots(pairs: Sequence[tuple[int, int]], opened: Sequence[tuple[int, int]]) -> NDArray[np.int_]:
    """Find the entry that each entry becomes when pairs are merged: the first that was opened.

    Of entries of one step, the one whose name has the lowest hash is kept. Where news reach a part
    of the network alone, neighbours know almost the same names, and then mostly keep the same one;
    by the numbers of nodes, each node of a ring would keep another.

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
        kept, merged = (a, b) if _order(opened[a]) <= _order(opened[b]) else (b, a)
        root[root == merged] = kept
    return root


def _order(opened: tuple[int, int]) -> tuple[int, int, int]:
    """Return what decides which of two entries is kept: the lower."""
    step, node = opened
    return step, crc32(name_of(opened).encode()), node

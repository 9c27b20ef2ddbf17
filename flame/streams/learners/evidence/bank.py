"""A bank of models that nodes share: which node holds which, and which batch taught it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

FORGOTTEN = -1


@dataclass(eq=False)
class BankEntry:
    """A model of the bank: who opened it when, its rows ``models`` (n, size), who holds it (n,).

    ``backbone`` (n,) is, as each node knows it, that of all models with the same representation.
    """

    opened: tuple[int, int]
    models: Array
    held: NDArray[np.bool_]
    backbone: NDArray[np.int_]


@dataclass(eq=False)
class Memory:
    """A batch of all nodes, what each predicted of it beforehand, the entry (n,) that it taught."""

    step: int
    batch: Batch
    told: Array
    entry: NDArray[np.int_]


@dataclass(eq=False)
class Bank:
    """Entries and memories; a entry's number is its place in ``entries``."""

    entries: list[BankEntry] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    backbones: int = 0

    @property
    def taught(self) -> NDArray[np.int_]:
        """The entry (n, memory) that each memory of each node taught."""
        return np.stack([memory.entry for memory in self.memories], axis=1)

    def counts(self) -> NDArray[np.int_]:
        """Memories (n, entry) of each node in each entry."""
        taught = self.taught
        return np.stack([(taught == i).sum(axis=1) for i in range(len(self.entries))], axis=1)

    def rows(self, entry: int | None = None, fade: float = 1.0) -> Array:
        """What each row (n, all rows) counts for a entry; for none, each that is remembered.

        A step's batch counts ``fade`` times as much as that of the next step.
        """
        mine = [m.entry != FORGOTTEN if entry is None else m.entry == entry for m in self.memories]
        newest = self.memories[-1].step
        parts = [
            m.batch.weight * own[:, None] * fade ** (newest - m.step)
            for m, own in zip(self.memories, mine, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def open(self, step: int, node: int, model: Array, kin: BankEntry | None = None) -> int:
        """A new entry, held by its node alone and of the backbone of ``kin``; its number."""
        nodes = len(self.memories[0].entry)
        held = np.zeros(nodes, bool)
        held[node] = True
        if kin is None:
            backbone, self.backbones = np.full(nodes, self.backbones), self.backbones + 1
        else:
            backbone = kin.backbone.copy()
        self.entries.append(BankEntry((step, node), np.tile(model, (nodes, 1)), held, backbone))
        return len(self.entries) - 1

    def join(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        """Merge entries of a node with the same ``root`` (entry,), weighted by ``counts``."""
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
        """Nodes with more than ``most`` memories lose one, not the newest, of what they have most.

        Batches that nobody remembers go.
        """
        taught = self.taught
        for node in np.flatnonzero((taught != FORGOTTEN).sum(axis=1) > most):
            known = taught[node, :-1]
            entries, sizes = np.unique(known[known != FORGOTTEN], return_counts=True)
            old = np.flatnonzero(known == entries[sizes.argmax()])
            self.memories[rng.choice(old)].entry[node] = FORGOTTEN
        self.memories = [m for m in self.memories if (m.entry != FORGOTTEN).any()]

    def drop_unused(self) -> NDArray[np.int_]:
        """Entries without a memory go; the numbers (kept,) that those left had before."""
        used = (self.counts() > 0).any(axis=0)
        kept = np.flatnonzero(used)
        number = np.append(np.cumsum(used) - 1, FORGOTTEN)  # the last: what FORGOTTEN points at
        self.entries = [self.entries[i] for i in kept]
        for memory in self.memories:
            memory.entry = number[memory.entry]
        return kept


def roots(pairs: Sequence[tuple[int, int]], opened: Sequence[tuple[int, int]]) -> NDArray[np.int_]:
    """For each entry the one it ends up in when ``pairs`` are one: the first that was opened."""
    root = np.arange(len(opened))
    for one, other in pairs:
        a, b = root[one], root[other]
        keep, gone = (a, b) if opened[a] <= opened[b] else (b, a)
        root[root == gone] = keep
    return root

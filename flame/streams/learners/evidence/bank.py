"""A bank of models that nodes share: which node holds which, and which batch taught it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

FORGOTTEN = -1


@dataclass(eq=False)
class Slot:
    """A model of the bank: who opened it when, its rows ``models`` (n, size), who holds it (n,).

    ``family`` (n,) is, as each node knows it, that of all models with the same representation.
    """

    opened: tuple[int, int]
    models: Array
    held: NDArray[np.bool_]
    family: NDArray[np.int_]


@dataclass(eq=False)
class Memory:
    """A step's batch of all nodes, what each had told of it beforehand, the slot (n,) it taught."""

    step: int
    batch: Batch
    told: Array
    slot: NDArray[np.int_]


@dataclass(eq=False)
class Bank:
    """Slots and memories; a slot's number is its place in ``slots``."""

    slots: list[Slot] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    families: int = 0

    @property
    def taught(self) -> NDArray[np.int_]:
        """The slot (n, memory) that each memory of each node taught."""
        return np.stack([memory.slot for memory in self.memories], axis=1)

    def counts(self) -> NDArray[np.int_]:
        """Memories (n, slot) of each node in each slot."""
        taught = self.taught
        return np.stack([(taught == i).sum(axis=1) for i in range(len(self.slots))], axis=1)

    def rows(self, slot: int | None = None, fade: float = 1.0) -> Array:
        """What each row (n, all rows) counts for a slot; for none, each that is remembered.

        A step's batch counts ``fade`` times as much as that of the next step.
        """
        mine = [m.slot != FORGOTTEN if slot is None else m.slot == slot for m in self.memories]
        newest = self.memories[-1].step
        parts = [
            m.batch.weight * own[:, None] * fade ** (newest - m.step)
            for m, own in zip(self.memories, mine, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def open(self, step: int, node: int, model: Array, kin: Slot | None = None) -> int:
        """A new slot, held by its node alone and of the family of ``kin``; its number."""
        nodes = len(self.memories[0].slot)
        held = np.zeros(nodes, bool)
        held[node] = True
        if kin is None:
            family, self.families = np.full(nodes, self.families), self.families + 1
        else:
            family = kin.family.copy()
        self.slots.append(Slot((step, node), np.tile(model, (nodes, 1)), held, family))
        return len(self.slots) - 1

    def join(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        """At a node, make of slots with the same ``root`` (slot,) one, weighted by ``counts``."""
        for keep in np.unique(root):
            group = [i for i in np.flatnonzero(root == keep) if self.slots[i].held[node]]
            if group in ([], [keep]):
                continue
            weight = np.maximum(counts[group], 1e-9)
            models = np.stack([self.slots[i].models[node] for i in group])
            families = [self.slots[i].family[node] for i in {*group, keep}]
            for slot in self.slots:
                if slot.family[node] in families:
                    slot.family[node] = min(families)
            for i in group:
                self.slots[i].held[node] = False
            self.slots[keep].models[node] = weight @ models / weight.sum()
            self.slots[keep].held[node] = True
        for memory in self.memories:
            if memory.slot[node] != FORGOTTEN:
                memory.slot[node] = root[memory.slot[node]]

    def forget(self, most: int, rng: np.random.Generator) -> None:
        """Nodes with more than ``most`` memories lose one, not the newest, of what they have most.

        Batches that nobody remembers go.
        """
        taught = self.taught
        for node in np.flatnonzero((taught != FORGOTTEN).sum(axis=1) > most):
            known = taught[node, :-1]
            slots, sizes = np.unique(known[known != FORGOTTEN], return_counts=True)
            old = np.flatnonzero(known == slots[sizes.argmax()])
            self.memories[rng.choice(old)].slot[node] = FORGOTTEN
        self.memories = [m for m in self.memories if (m.slot != FORGOTTEN).any()]

    def drop_unused(self) -> NDArray[np.int_]:
        """Slots without a memory go; the numbers (kept,) that those left had before."""
        used = (self.counts() > 0).any(axis=0)
        kept = np.flatnonzero(used)
        number = np.append(np.cumsum(used) - 1, FORGOTTEN)  # the last: what FORGOTTEN points at
        self.slots = [self.slots[i] for i in kept]
        for memory in self.memories:
            memory.slot = number[memory.slot]
        return kept


def roots(pairs: Sequence[tuple[int, int]], opened: Sequence[tuple[int, int]]) -> NDArray[np.int_]:
    """For each slot the one it ends up in when ``pairs`` are one: the first that was opened."""
    root = np.arange(len(opened))
    for one, other in pairs:
        a, b = root[one], root[other]
        keep, gone = (a, b) if opened[a] <= opened[b] else (b, a)
        root[root == gone] = keep
    return root

"""Evidence gossip: a bank of models a node, opened, joined and shared by evidence alone.

Each node asks of its newest batch whether any model that it holds predicts it better than what
could be learned from the batch alone; if none does, it opens a new one. Models are joined where
one improves what others had honestly told of their batches, the evidence summed over the network.
Each is learned from all remembered batches of its label and averaged with itself alone. Nothing is
compared with a threshold: every decision is a Bayes factor against one. Beside the bank one model
is learned from everything, and a node leans on whichever of the two told its batches better so
far. See ``docs/evidence-gossip.md``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.bank import FORGOTTEN, Bank, Memory, roots
from flame.streams.learners.families import averaged
from flame.streams.learners.joining import evidence_tables, joined_pairs
from flame.streams.learners.leaning import Leaning
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.learners.new_concept import Fork, chunk_evidence, new_concept
from flame.streams.network import Adam, Array, Labels, Network
from flame.streams.stream import Batch

_STAY, _RETURN, _NEW = np.log([0.5, 0.25, 0.25])
_SENT_WITH_A_MODEL, _SENT_WITH_A_NEW_ONE = 2, 4
"""Its batches and evidence; of a new one who opened it when, its parent and family."""


@dataclass
class EvidenceOptions:
    """Options of evidence gossip, of which none decides when a concept is new.

    ``memory`` batches a node keeps. News (new models, evidence, joins) are passed on for ``flood``
    rounds each, at most a quarter of all; 0: as many as the graph needs, twice that where messages
    are lost. Up to ``liars`` nodes may send false evidence. A step's batch counts ``fade`` times as
    much as that of the next. Parts can be taken away, to see what they are worth: ``births``,
    ``joins``, ``afresh`` (forks of the first weights), ``heads`` (forks of the last layer alone,
    and families), ``old`` (batches of earlier steps) and ``everything`` (the model of all batches).
    """

    memory: int = 30
    flood: int = 0
    liars: int = 0
    fade: float = 0.5
    births: bool = True
    joins: bool = True
    afresh: bool = True
    heads: bool = True
    old: bool = True
    everything: bool = True

    def __post_init__(self) -> None:
        if self.memory < 1 or self.flood < 0 or self.liars < 0:
            raise BadInput("methods.options.memory: 1 or more; flood and liars: 0 or more")
        if not 0 < self.fade <= 1:
            raise BadInput("methods.options.fade: above 0, at most 1")


@LEARNERS.register("evidence-gossip")
@dataclass
class EvidenceGossip(EvidenceOptions, Learner):
    """See the module."""

    alarming = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.bank, self.step = Bank(), -1
        self._rng = np.random.default_rng([seed, 9])
        self._slot = np.full(exchange.nodes, -1)
        self._posterior = np.zeros((exchange.nodes, 0))
        self._whole, self._leaning = self.start, Leaning(exchange.nodes)
        config = exchange.peers.config
        needed = exchange.peers.diameter * (2 if config.loss or config.away or config.slow else 1)
        self._flood = max(1, min(self.flood or needed, pace.rounds // 4))

    def predict(self, x: Array) -> Array:
        """What the bank and the model of everything tell, by how well each did so far."""
        if not self.bank.slots:
            return super().predict(x)
        return self._leaning.mixed(self._of_bank(x), self.network.probability(self._whole, x))

    def _of_bank(self, x: Array) -> Array:
        """What each model tells, by how likely it is the right one for the newest batch."""
        parts = [
            share[:, None, None] * self.network.probability(slot.models, x)
            for share, slot in zip(self._posterior.T, self.bank.slots, strict=True)
        ]
        return np.asarray(sum(parts))

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.bank.slots and self.everything:
            whole = self.network.probability(self._whole, batch.x)
            self._leaning.score(batch, self._of_bank(batch.x), whole)
        self.step += 1
        before, born = self._slot, self._label(batch)
        self._adams = [Adam(self.start.shape, self.pace.rate) for _ in [*self.bank.slots, None]]
        resting = frozenset(range(len(self.bank.slots) - born, len(self.bank.slots)))
        done = 0
        if born:
            reach = self._rounds(done, self._flood, resting)
            done += self._flood
            new = np.zeros(len(reach))
            for number in resting:
                slot = self.bank.slots[number]
                slot.held, new[slot.opened[1]] = reach[:, slot.opened[1]], 1
            others = reach & ~np.eye(len(reach), dtype=bool)
            self._pass_on(others, new * (self.network.size + _SENT_WITH_A_NEW_ONE))
            if self.joins:
                evidence, counts = tables = evidence_tables(self.network, self.bank)
                reach = self._rounds(done, self._flood, resting)
                self._pass_on(reach, (evidence != 0).sum(axis=(1, 2)) + (counts > 0).sum(axis=1))
                pairs = self._join(tables, reach)
                done += self._flood
        reach = self._rounds(done, self.pace.rounds - done, frozenset())
        if born and self.joins:
            self._pass_on(reach, np.array([2.0 * len(found) for found in pairs]))
            self._agree(pairs, reach)
        if self.everything:
            self._leaning.weigh()
        self.alarms = (self._slot != before) & (self.step > 0)
        self._tidy()

    def _pass_on(self, reach: NDArray[np.bool_], numbers: Array) -> None:
        """Count news (n,) of so many numbers, which each node passes on once where they reached it.

        ``reach`` (n, n) says whose reached whom.
        """
        self.exchange.sends(reach @ numbers)

    def _label(self, batch: Batch) -> int:
        """Say which slot the batch teaches at each node, opening some; how many were opened."""
        n, count = len(batch.x), len(self.bank.slots)
        told = [self.network.probability(slot.models, batch.x) for slot in self.bank.slots]
        log = np.full((n, count + 1), -np.inf)
        for number, slot in enumerate(self.bank.slots):
            log[:, number] = np.where(slot.held, chunk_evidence(told[number], batch), -np.inf)
        parent = np.where(np.isfinite(log.max(axis=1)), log.argmax(axis=1), FORGOTTEN)
        new = new_concept(self.network, batch, self._forks(parent), self.pace)
        log[:, count] = np.where(self.births | (parent == FORGOTTEN), new.evidence, -np.inf)
        log = log + self._prior(log)
        posterior = np.exp(log - logsumexp(log, axis=1, keepdims=True))
        there = np.asarray(batch.there.any(axis=1))
        best_slot = log.argmax(axis=1)
        chosen = np.where(there, best_slot, FORGOTTEN)
        opening = np.flatnonzero(chosen == count)
        honest = np.stack([*told, new.told])[best_slot, np.arange(n)]
        inherited = np.zeros((n, count), bool)
        self.bank.memories.append(Memory(self.step, batch, honest, chosen, inherited))
        kept = np.where(there[:, None], posterior[:, :count], self._posterior)
        self._posterior = np.hstack([kept, np.zeros((n, len(opening)))])
        for node in opening:
            number = self.bank.open(
                self.step, int(node), new.models[node], new.parent[node], bool(new.frozen[node])
            )
            chosen[node] = number
            self._posterior[node, number] = posterior[node, count]
        self._slot = np.where(there, chosen, self._slot)
        return len(opening)

    def _forks(self, parent: NDArray[np.int_]) -> list[Fork]:
        """Of each node's best model (n,): all of it, and its last layer; of the first weights."""
        if not self.bank.slots:
            return [Fork(self.start)]
        stack = np.stack([slot.models for slot in self.bank.slots])[parent, np.arange(len(parent))]
        best = np.where((parent != FORGOTTEN)[:, None], stack, self.start)
        held = np.maximum(np.sum([slot.held for slot in self.bank.slots], axis=0), 1)
        forks = [Fork(best, 0, parent, held)]
        if self.afresh:
            forks.append(Fork(self.start))
        if self.heads:
            forks.append(Fork(best, self.network.body, parent, held))
        return forks

    def _prior(self, log: Array) -> Array:
        """Indifference: stay, return to any other that is held, or new."""
        held = np.isfinite(log[:, :-1])
        mine = np.arange(held.shape[1]) == self._slot[:, None]
        others = np.maximum((held & ~mine).sum(axis=1, keepdims=True), 1)
        known = np.where(mine, _STAY, _RETURN - np.log(others))
        return np.hstack([known, np.full((len(log), 1), _NEW)])

    def _rounds(self, first: int, rounds: int, resting: frozenset[int]) -> NDArray[np.bool_]:
        """Train and average all but ``resting`` slots; whose news (n, n) reached whom meanwhile.

        ``first`` is the number of the first of these rounds in the step.
        """
        reach = np.eye(self.exchange.nodes, dtype=bool)
        memories = self.bank.memories if self.old else self.bank.memories[-1:]
        x, y = (np.concatenate([getattr(m.batch, part) for m in memories], axis=1) for part in "xy")
        counts = self.bank.counts()
        learning = [
            number
            for number in range(len(self.bank.slots))
            if number not in resting and counts[:, number].sum() > 1
        ]
        slots = [self.bank.slots[number] for number in learning]
        rows = [self.bank.rows(number, self.fade)[:, -x.shape[1] :] for number in learning]
        whole = self.bank.rows()[:, -x.shape[1] :]
        for number, there in self.rounds(self._adams, first, rounds):
            trained = [
                self.network.descend(
                    slot.models, x, y, mine * there[:, None], self._adams[i],
                    self.pace.local_steps,
                )
                for i, slot, mine in zip(learning, slots, rows, strict=True)
            ]  # fmt: skip
            body = self.network.body if number < self.pace.rounds // 2 else 0
            means = averaged(self.exchange.now, slots, trained, counts[:, learning], body)
            for slot, mean in zip(slots, means, strict=True):
                slot.models = np.where((slot.held & there)[:, None], mean, slot.models)
            if self.everything:
                self._whole = self._everything(x, y, whole * there[:, None], there)
            held = int(self.everything) + np.sum([slot.held for slot in self.bank.slots], axis=0)
            self.exchange.sends(held * (self.network.size + _SENT_WITH_A_MODEL))
            heard = self.exchange.now.arrived & (self.exchange.now.weights > 0)
            reach = reach | ((heard.astype(int) @ reach) > 0)
        return reach

    def _everything(self, x: Array, y: Labels, rows: Array, there: NDArray[np.bool_]) -> Array:
        """The model of all batches after a round."""
        trained = self.network.descend(
            self._whole, x, y, rows, self._adams[-1], self.pace.local_steps
        )
        mean = self.exchange.now.by(rows.sum(axis=1)) @ trained
        return np.where(there[:, None], mean, self._whole)

    def _join(
        self, tables: tuple[Array, NDArray[np.int_]], reach: NDArray[np.bool_]
    ) -> list[list[tuple[int, int]]]:
        """Let each node join slots on the evidence that reached it; the pairs of each."""
        evidence, counts = tables
        opened = [slot.opened for slot in self.bank.slots]
        known: dict[bytes, list[tuple[int, int]]] = {}
        pairs = []
        for node, heard in enumerate(reach):
            key = heard.tobytes()
            if key not in known:
                known[key] = joined_pairs(
                    evidence[heard], counts[heard].sum(axis=0), opened, self.liars
                )
            pairs.append(known[key])
            self._become(node, roots(known[key], opened), counts[heard].sum(axis=0))
        return pairs

    def _become(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        self.bank.join(node, root, counts)
        if self._slot[node] != FORGOTTEN:
            self._slot[node] = root[self._slot[node]]
        shares = np.zeros(len(root))
        np.add.at(shares, root, self._posterior[node])
        self._posterior[node] = shares

    def _agree(self, pairs: list[list[tuple[int, int]]], reach: NDArray[np.bool_]) -> None:
        """A join that any node made is made by all that hear of it, so that nodes come to agree."""
        if all(found == pairs[0] for found in pairs):
            return
        opened, counts = [slot.opened for slot in self.bank.slots], self.bank.counts()
        for node, heard in enumerate(reach):
            told = [pair for other in np.flatnonzero(heard) for pair in pairs[other]]
            self._become(node, roots(told, opened), counts[heard].sum(axis=0))

    def _tidy(self) -> None:
        self.bank.forget(self.memory, self._rng)
        kept = self.bank.drop_unused()
        # A node that never had a row follows the first model until it has.
        self._slot = np.searchsorted(kept, np.maximum(self._slot, 0)).clip(max=len(kept) - 1)
        for slot in self.bank.slots:  # who does not hold a model has its first weights instead
            slot.models = np.where(slot.held[:, None], slot.models, self.start)
        self._posterior = self._posterior[:, kept]
        lost = np.flatnonzero(self._posterior.sum(axis=1) == 0)
        self._posterior[lost, self._slot[lost]] = 1.0
        self._posterior /= self._posterior.sum(axis=1, keepdims=True)
        stack = np.stack([slot.models for slot in self.bank.slots])
        self.models = stack[self._slot, np.arange(len(self._slot))]

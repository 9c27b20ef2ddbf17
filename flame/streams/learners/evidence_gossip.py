"""Evidence gossip: peers share a bank of models, one for each concept, without a threshold.

1. Each node compares the models that it holds by how well they predict its newest batch. It opens a
   new model where one that learns from the batch alone, cross-validated, predicts it better.
2. Two models are merged where one of them improves the out-of-sample predictions of batches of the
   other, with the evidence summed over the network.
3. A model trains on all remembered batches of its concept, and is averaged over the nodes that hold
   it.
4. Beside the bank, one global model trains on all batches. A node weighs the two by how well each
   predicted its batches so far.

Every decision is a Bayes factor compared with 1. ``docs/explanation/evidence-gossip.md`` explains
the method and its limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, Memory, roots
from flame.streams.learners.evidence.expert_weights import ExpertWeights
from flame.streams.learners.evidence.labelling import Labelling
from flame.streams.learners.evidence.model_merging import agreed, evidence_tables, joined_pairs
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.evidence.shared_backbones import averaged
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.networks.base import Adam, Array, Labels, Network
from flame.streams.stream import Batch

_SENT_WITH_A_MODEL, _SENT_WITH_A_NEW_ONE = 2, 3
"""Numbers sent with a model (its memories and evidence), and with a new model (the step and node
that opened it, and its backbone)."""
_LEAST_ROUNDS = 4
"""Fewest rounds of a step: each kind of news spreads for at most a quarter of them."""


@LEARNERS.register("evidence-gossip")
@dataclass
class EvidenceGossip(EvidenceOptions, Learner):
    """A bank of models that peers open, merge and train; its options are ``EvidenceOptions``.

    A batch has the concept with the highest posterior: prior * likelihood of its labels, out of
    sample, over the models that a node holds and a new one. See the module.

    Reference:
        ``docs/explanation/evidence-gossip.md``.

    Example:
        The labels of the second node are swapped in the third batch, and it opens a model.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> same = padded([(x, y, y), (x, y, y)], shape=(1,))
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> from flame.streams.exchange import Gossip
        >>> learner = EvidenceGossip()
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=0)
        >>> for batch in (same, same, drifted):
        ...     learner.learn(batch, concept=np.array([0, 0]))
        >>> learner.alarms.tolist(), len(learner.bank.entries)
        ([False, True], 2)
    """

    alarming = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``.

        Raises:
            BadInput: a step has fewer than four rounds.
        """
        super().begin(network, exchange, pace, seed)
        if pace.rounds < _LEAST_ROUNDS:
            raise BadInput(
                f"training.rounds: {_LEAST_ROUNDS} or more, as its news take rounds to go round"
            )
        self.bank, self.step = Bank(), -1
        self._rng = np.random.default_rng([seed, 9])
        self._slot = np.full(exchange.nodes, -1)
        self._posterior = np.zeros((exchange.nodes, 0))
        self._labelling = Labelling(network, self.start, pace, self)
        self._whole, self._leaning = self.start, ExpertWeights(exchange.nodes)
        config = exchange.peers.config
        needed = exchange.peers.diameter * (2 if config.loss or config.away or config.slow else 1)
        self._flood = max(1, min(self.flood or needed, pace.rounds // 4))

    def predict(self, x: Array) -> Array:
        """See ``Learner``. The bank and the global model are mixed by their expert weights."""
        if not self.bank.entries:
            return super().predict(x)
        return self._leaning.mixed(self._of_bank(x), self.network.probability(self._whole, x))

    def _of_bank(self, x: Array) -> Array:
        """Return the bank's probabilities: entries mixed by posterior for the newest batch."""
        parts = [
            share[:, None, None] * self.network.probability(entry.models, x)
            for share, entry in zip(self._posterior.T, self.bank.entries, strict=True)
        ]
        return np.asarray(sum(parts))

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.bank.entries and self.global_model:
            whole = self.network.probability(self._whole, batch.x)
            self._leaning.score(batch, self._of_bank(batch.x), whole)
        self.step += 1
        self._before = self._slot
        new = self._label(batch)
        self._adams = [Adam(self.start.shape, self.pace.rate) for _ in [*self.bank.entries, None]]
        self._introduce(new)
        pairs = self._compare(new) if self.joins else [[] for _ in self._slot]
        done = self._flood * (1 + self.joins)
        news = [2 * len(p) for p in pairs]
        reach = self._rounds(done, self.pace.rounds - done, frozenset(), news)
        self._agree(pairs, reach)
        if self.global_model:
            self._leaning.weigh()
        self.alarms = (self._slot != self._before) & (self.step > 0)
        self._tidy()

    def _introduce(self, new: frozenset[int]) -> None:
        """Pass ``new`` entries on to the network, while the other entries train."""
        opened = np.zeros(len(self._slot))
        for number in new:
            opened[self.bank.entries[number].opened[1]] = self.network.size + _SENT_WITH_A_NEW_ONE
        reach = self._rounds(0, self._flood, new, opened)
        for number in new:
            entry = self.bank.entries[number]
            entry.held = reach[:, entry.opened[1]]

    def _compare(self, new: frozenset[int]) -> list[list[tuple[int, int]]]:
        """Pass evidence on, merge entries at each node, and return the pairs merged at each."""
        evidence, counts = tables = evidence_tables(self.network, self.bank)
        numbers = (evidence != 0).sum(axis=(1, 2)) + (counts > 0).sum(axis=1)
        reach = self._rounds(self._flood, self._flood, new, numbers)
        return self._join(tables, reach)

    def _label(self, batch: Batch) -> frozenset[int]:
        """Decide which entry the batch teaches at each node; return the entries opened for it."""
        n, count = len(batch.x), len(self.bank.entries)
        found = self._labelling.verdict(self.bank, batch, self._slot)
        there = np.asarray(batch.there.any(axis=1))
        chosen = np.where(there, found.best, FORGOTTEN)
        self.bank.memories.append(Memory(self.step, batch, found.told, chosen))
        opening, new = np.flatnonzero(chosen == count), found.new
        kept = np.where(there[:, None], found.posterior[:, :count], self._posterior)
        self._posterior = np.hstack([kept, np.zeros((n, len(opening)))])
        for node in opening:
            forked = new.frozen[node] and found.parent[node] != FORGOTTEN
            kin = self.bank.entries[found.parent[node]] if forked else None
            number = self.bank.open(self.step, int(node), new.models[node], kin)
            chosen[node] = number
            self._posterior[node, number] = found.posterior[node, count]
        self._slot = np.where(there, chosen, self._slot)
        return frozenset(range(count, len(self.bank.entries)))

    def _rounds(
        self, first: int, rounds: int, resting: frozenset[int], news: Sequence[float] | Array
    ) -> NDArray[np.bool_]:
        """Train and average all entries but ``resting`` ones, while news spread.

        A message names the nodes whose news its sender has, with a bit for each. Receivers get the
        news that they lack, again where a message was lost.

        Args:
            first: number of the first of these rounds in the step.
            rounds: number of rounds.
            resting: numbers of entries that do not train.
            news: size (n,) of the news of each node, in numbers.

        Returns:
            Mask (n, n): whether the news of the column's node reached the row's node.
        """
        reach = np.eye(self.exchange.nodes, dtype=bool)
        memories = self.bank.memories if self.old else self.bank.memories[-1:]
        x, y = (np.concatenate([getattr(m.batch, part) for m in memories], axis=1) for part in "xy")
        counts = self.bank.counts()
        learning = [
            number
            for number in range(len(self.bank.entries))
            if number not in resting and counts[:, number].sum() > 1
        ]
        entries = [self.bank.entries[number] for number in learning]
        rows = [self.bank.rows(number, self.fade)[:, -x.shape[1] :] for number in learning]
        whole = self.bank.rows()[:, -x.shape[1] :]
        for number, there in self.rounds(self._adams, first, rounds):
            trained = [
                self.network.descend(
                    entry.models,
                    x,
                    y,
                    mine * there[:, None],
                    self._adams[i],
                    self.pace.local_steps,
                )
                for i, entry, mine in zip(learning, entries, rows, strict=True)
            ]
            body = self.network.body if number < self.pace.rounds // 2 else 0
            means = averaged(self.exchange.now, entries, trained, counts[:, learning], body)
            for entry, mean in zip(entries, means, strict=True):
                entry.models = np.where((entry.held & there)[:, None], mean, entry.models)
            if self.global_model:
                self._whole = self._train_global_model(x, y, whole * there[:, None], there)
            held = int(self.global_model) + np.sum(
                [entry.held for entry in self.bank.entries], axis=0
            )
            self.exchange.sends(held * (self.network.size + _SENT_WITH_A_MODEL) + len(reach) / 32)
            self.exchange.sends(~reach * news @ reach.T)
            heard = self.exchange.now.arrived & (self.exchange.now.weights > 0)
            reach = reach | ((heard.astype(int) @ reach) > 0)
        return reach

    def _train_global_model(
        self, x: Array, y: Labels, rows: Array, there: NDArray[np.bool_]
    ) -> Array:
        """Return the global model of each node (n, size) after one more round."""
        trained = self.network.descend(
            self._whole, x, y, rows, self._adams[-1], self.pace.local_steps
        )
        mean = self.exchange.now.by(rows.sum(axis=1)) @ trained
        return np.where(there[:, None], mean, self._whole)

    def _join(
        self, tables: tuple[Array, NDArray[np.int_]], reach: NDArray[np.bool_]
    ) -> list[list[tuple[int, int]]]:
        """Merge entries at each node by the ``tables`` that reached it; return its pairs."""
        evidence, counts = tables
        opened = [entry.opened for entry in self.bank.entries]
        known: dict[bytes, list[tuple[int, int]]] = {}
        pairs = []
        for node, heard in enumerate(reach):
            key = heard.tobytes()
            if key not in known:
                known[key] = joined_pairs(
                    evidence[heard], counts[heard].sum(axis=0), opened, self.num_byzantine
                )
            pairs.append(known[key])
            self._become(node, roots(known[key], opened), counts[heard].sum(axis=0))
        return pairs

    def _become(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        self.bank.join(node, root, counts)
        for entry in (self._slot, self._before):
            if entry[node] != FORGOTTEN:
                entry[node] = root[entry[node]]
        shares = np.zeros(len(root))
        np.add.at(shares, root, self._posterior[node])
        self._posterior[node] = shares

    def _agree(self, pairs: list[list[tuple[int, int]]], reach: NDArray[np.bool_]) -> None:
        """Make merges of more than ``num_byzantine`` nodes at all nodes that hear of them."""
        if all(found == pairs[0] for found in pairs):
            return
        opened, counts = [entry.opened for entry in self.bank.entries], self.bank.counts()
        made = [roots(found, opened) for found in pairs]
        for node, heard in enumerate(reach):
            told = agreed([made[other] for other in np.flatnonzero(heard)], self.num_byzantine)
            self._become(node, roots(told, opened), counts[heard].sum(axis=0))

    def _tidy(self) -> None:
        self.bank.forget(self.memory, self._rng)
        kept = self.bank.drop_unused()
        # A node that never had a row follows the first model.
        self._slot = np.searchsorted(kept, np.maximum(self._slot, 0)).clip(max=len(kept) - 1)
        for entry in self.bank.entries:  # where it is not held: initial weights
            entry.models = np.where(entry.held[:, None], entry.models, self.start)
        self._posterior = self._posterior[:, kept]
        lost = np.flatnonzero(self._posterior.sum(axis=1) == 0)
        self._posterior[lost, self._slot[lost]] = 1.0
        self._posterior /= self._posterior.sum(axis=1, keepdims=True)
        stack = np.stack([entry.models for entry in self.bank.entries])
        self.models = stack[self._slot, np.arange(len(self._slot))]

"""Evidence gossip: peers share a bank of models, one for each concept, without a threshold.

1. Each node compares the models that it holds by how well they predict its newest batch. It opens a
   new model where a model of the batch alone, cross-validated, predicts the batch better.
2. Two models are merged where one of them improves the out-of-sample predictions of batches of the
   other, with the evidence summed over the network.
3. A model trains on all remembered batches of its concept, and is averaged over the nodes that hold
   it.
4. Beside the bank, one global model trains on all batches. A node weights the bank and the global
   model by how well each predicted its batches so far.

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

_SENT_WITH_A_MODEL = 2
"""Numbers sent with a model: its memories and its evidence."""
_SENT_WITH_A_NEW_MODEL = 3
"""Numbers sent with a new model: the step and the node that opened it, and its backbone."""
_LEAST_ROUNDS = 4
"""Fewest rounds of a step: each kind of news spreads for at most a quarter of them."""


@LEARNERS.register("evidence-gossip")
@dataclass
class EvidenceGossip(EvidenceOptions, Learner):
    """A bank of models that peers open, merge and train; its options are ``EvidenceOptions``.

    A batch has the concept with the highest posterior, which is proportional to prior * likelihood
    of its labels, out of sample, over the models that a node holds and a new model. The module has
    the steps.

    ``bank`` holds the models and the remembered batches. ``entry`` (n,) is the number of the entry
    in ``bank.entries`` that each node follows: the one that its newest batch taught.

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
        """See ``Learner``; raise BadInput where a step has fewer than four rounds."""
        super().begin(network, exchange, pace, seed)
        if pace.rounds < _LEAST_ROUNDS:
            raise BadInput(
                f"training.rounds: {_LEAST_ROUNDS} or more, because news take rounds to spread"
            )
        self.bank = Bank()
        self.step = -1
        self._rng = np.random.default_rng([seed, 9])
        self.entry = np.full(exchange.nodes, FORGOTTEN)
        self._posterior = np.zeros((exchange.nodes, 0))
        self._labelling = Labelling(network, self.start, pace, self)
        self._global_models = self.start
        self._expert_weights = ExpertWeights(exchange.nodes)
        config = exchange.peers.config
        needed = exchange.peers.diameter * (2 if config.loss or config.away or config.slow else 1)
        self._flood = max(1, min(self.flood or needed, pace.rounds // 4))

    def predict(self, x: Array) -> Array:
        """See ``Learner``. The bank and the global model are mixed by their expert weights."""
        if not self.bank.entries:
            return super().predict(x)
        of_global_model = self.network.probability(self._global_models, x)
        return self._expert_weights.mixed(self._predict_by_bank(x), of_global_model)

    def _predict_by_bank(self, x: Array) -> Array:
        """Return the bank's probabilities: entries mixed by posterior for the newest batch."""
        parts = [
            share[:, None, None] * self.network.probability(entry.models, x)
            for share, entry in zip(self._posterior.T, self.bank.entries, strict=True)
        ]
        return np.asarray(sum(parts))

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.bank.entries and self.global_model:
            of_global_model = self.network.probability(self._global_models, batch.x)
            self._expert_weights.score(batch, self._predict_by_bank(batch.x), of_global_model)
        self.step += 1
        self._last_entry = self.entry
        new = self._label(batch)
        self._adams = [Adam(self.start.shape, self.pace.rate) for _ in [*self.bank.entries, None]]
        self._introduce(new)
        pairs = self._compare(new) if self.joins else [[] for _ in self.entry]
        done = self._flood * (1 + self.joins)
        news = [2 * len(p) for p in pairs]
        reach = self._rounds(done, self.pace.rounds - done, frozenset(), news)
        self._agree(pairs, reach)
        if self.global_model:
            self._expert_weights.weigh()
        self.alarms = (self.entry != self._last_entry) & (self.step > 0)
        self._tidy()

    def _introduce(self, new: frozenset[int]) -> None:
        """Spread ``new`` entries over the network, while the other entries train."""
        news = np.zeros(len(self.entry))
        for number in new:
            news[self.bank.entries[number].opened[1]] = self.network.size + _SENT_WITH_A_NEW_MODEL
        reach = self._rounds(0, self._flood, new, news)
        for number in new:
            entry = self.bank.entries[number]
            entry.held = reach[:, entry.opened[1]]

    def _compare(self, new: frozenset[int]) -> list[list[tuple[int, int]]]:
        """Spread evidence, merge entries at each node, and return the pairs merged at each."""
        evidence, counts = evidence_tables(self.network, self.bank)
        news = (evidence != 0).sum(axis=(1, 2)) + (counts > 0).sum(axis=1)
        reach = self._rounds(self._flood, self._flood, new, news)
        return self._join(evidence, counts, reach)

    def _label(self, batch: Batch) -> frozenset[int]:
        """Decide which entry the batch teaches at each node; return the entries opened for it."""
        n = len(batch.x)
        count = len(self.bank.entries)
        labels = self._labelling.verdict(self.bank, batch, self.entry)
        has_rows = np.asarray(batch.exists.any(axis=1))
        chosen = np.where(has_rows, labels.best, FORGOTTEN)
        self.bank.memories.append(Memory(self.step, batch, labels.predicted, chosen))
        opening = np.flatnonzero(chosen == count)
        of_known = np.where(has_rows[:, None], labels.posterior[:, :count], self._posterior)
        self._posterior = np.hstack([of_known, np.zeros((n, len(opening)))])
        for node in opening:
            shares_backbone = labels.new.frozen[node] and labels.parent[node] != FORGOTTEN
            parent = self.bank.entries[labels.parent[node]] if shares_backbone else None
            number = self.bank.open(self.step, int(node), labels.new.models[node], parent)
            chosen[node] = number
            self._posterior[node, number] = labels.posterior[node, count]
        self.entry = np.where(has_rows, chosen, self.entry)
        return frozenset(range(count, len(self.bank.entries)))

    def _rounds(
        self, first: int, rounds: int, resting: frozenset[int], news: Sequence[float] | Array
    ) -> NDArray[np.bool_]:
        """Train and average all entries but ``resting`` ones, while news spread.

        A message names the nodes whose news its sender has, with a bit for each. Receivers are sent
        the news that they lack, again where a message was lost.

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
        weights = [self.bank.rows(number, self.fade)[:, -x.shape[1] :] for number in learning]
        all_weights = self.bank.rows()[:, -x.shape[1] :]
        for number, participating in self.rounds(self._adams, first, rounds):
            trained = [
                self.network.descend(
                    entry.models,
                    x,
                    y,
                    weight * participating[:, None],
                    self._adams[i],
                    self.pace.local_steps,
                )
                for i, entry, weight in zip(learning, entries, weights, strict=True)
            ]
            body = self.network.body if number < self.pace.rounds // 2 else 0
            means = averaged(self.exchange.now, entries, trained, counts[:, learning], body)
            for entry, mean in zip(entries, means, strict=True):
                entry.models = np.where((entry.held & participating)[:, None], mean, entry.models)
            if self.global_model:
                self._global_models = self._train_global_model(
                    x, y, all_weights * participating[:, None], participating
                )
            models_held = int(self.global_model) + np.sum(
                [entry.held for entry in self.bank.entries], axis=0
            )
            numbers = models_held * (self.network.size + _SENT_WITH_A_MODEL)
            self.exchange.sends(numbers + len(reach) / 32)
            self.exchange.sends(~reach * news @ reach.T)
            received = self.exchange.now.arrived & (self.exchange.now.weights > 0)
            reach = reach | ((received.astype(int) @ reach) > 0)
        return reach

    def _train_global_model(
        self, x: Array, y: Labels, weight: Array, participating: NDArray[np.bool_]
    ) -> Array:
        """Return the global model of each node (n, size) after one more round."""
        trained = self.network.descend(
            self._global_models, x, y, weight, self._adams[-1], self.pace.local_steps
        )
        mean = self.exchange.now.by(weight.sum(axis=1)) @ trained
        return np.where(participating[:, None], mean, self._global_models)

    def _join(
        self, evidence: Array, counts: NDArray[np.int_], reach: NDArray[np.bool_]
    ) -> list[list[tuple[int, int]]]:
        """Merge entries at each node by the evidence that reached it; return its pairs."""
        opened = [entry.opened for entry in self.bank.entries]
        pairs_of_senders: dict[bytes, list[tuple[int, int]]] = {}
        pairs = []
        for node, senders in enumerate(reach):
            key = senders.tobytes()
            if key not in pairs_of_senders:
                pairs_of_senders[key] = joined_pairs(
                    evidence[senders], counts[senders].sum(axis=0), opened, self.num_byzantine
                )
            pairs.append(pairs_of_senders[key])
            root = roots(pairs_of_senders[key], opened)
            self._merge(node, root, counts[senders].sum(axis=0))
        return pairs

    def _merge(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        """Merge entries at a node into their ``root``, with all that refers to them."""
        self.bank.join(node, root, counts)
        for entry in (self.entry, self._last_entry):
            if entry[node] != FORGOTTEN:
                entry[node] = root[entry[node]]
        shares = np.zeros(len(root))
        np.add.at(shares, root, self._posterior[node])
        self._posterior[node] = shares

    def _agree(self, pairs: list[list[tuple[int, int]]], reach: NDArray[np.bool_]) -> None:
        """Repeat merges of more than ``num_byzantine`` nodes at all nodes that receive them."""
        if all(of_node == pairs[0] for of_node in pairs):
            return
        opened = [entry.opened for entry in self.bank.entries]
        counts = self.bank.counts()
        made = [roots(of_node, opened) for of_node in pairs]
        for node, senders in enumerate(reach):
            common = agreed(
                [made[sender] for sender in np.flatnonzero(senders)], self.num_byzantine
            )
            self._merge(node, roots(common, opened), counts[senders].sum(axis=0))

    def _tidy(self) -> None:
        """Forget batches, drop unused entries, and set the models with which nodes predict."""
        self.bank.forget(self.memory, self._rng)
        kept = self.bank.drop_unused()
        # A node that never had a row follows the first model.
        self.entry = np.searchsorted(kept, np.maximum(self.entry, 0)).clip(max=len(kept) - 1)
        for entry in self.bank.entries:  # initial weights at nodes that do not hold it
            entry.models = np.where(entry.held[:, None], entry.models, self.start)
        self._posterior = self._posterior[:, kept]
        undecided = np.flatnonzero(self._posterior.sum(axis=1) == 0)
        self._posterior[undecided, self.entry[undecided]] = 1.0
        self._posterior /= self._posterior.sum(axis=1, keepdims=True)
        stack = np.stack([entry.models for entry in self.bank.entries])
        self.models = stack[self.entry, np.arange(len(self.entry))]

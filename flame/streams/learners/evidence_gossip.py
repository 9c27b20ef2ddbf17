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
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.method import Round
from flame.streams.exchange import Exchange
from flame.streams.learners.evidence.alarm_tests import alarm_p
from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, BankEntry, Memory, name_of, roots
from flame.streams.learners.evidence.expert_weights import ExpertWeights
from flame.streams.learners.evidence.global_model import global_model
from flame.streams.learners.evidence.labelling import Labelling, Moves
from flame.streams.learners.evidence.model_merging import agreed, evidence_tables, joined_pairs
from flame.streams.learners.evidence.news import (
    NewEntry,
    News,
    NodeEvidence,
    NodeMerges,
    Opened,
    numbers_in,
    possible,
)
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.evidence.shared_backbones import averaged
from flame.streams.learners.evidence.trusted_models import checked, trusting
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.networks.base import Adam, Array, Labels, Network, added
from flame.streams.stream import Batch
from flame.streams.transport import Shared

Told = TypeVar("Told", NodeEvidence, NodeMerges)
Pair = tuple[int, int]
"""Numbers of two entries that are merged."""
Rows = tuple[Array, Labels, Array]
"""Features (n, m, ...), labels (n, m) and weights (n, m) of rows."""
NamedPair = tuple[Opened, Opened]
"""Names of two entries that are merged."""
_SENT_WITH_A_MODEL = 2
"""Numbers sent with a model: its memories and its evidence."""
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
    distributed = True
    tells = "new models, evidence on them and numbers of its batches"

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``; raise BadInput where a step has fewer than four rounds."""
        super().begin(network, exchange, pace, seed)
        if pace.rounds < _LEAST_ROUNDS:
            raise BadInput(
                f"training.rounds: {_LEAST_ROUNDS} or more, because news take rounds to spread"
            )
        nodes = exchange.nodes
        self.bank = Bank(nodes)
        self.step = -1
        self._rngs = [np.random.default_rng([seed, 9, int(k)]) for k in exchange.own]
        self.entry = np.full(nodes, FORGOTTEN)
        self._renamed: list[list[NamedPair]] = [[] for _ in range(nodes)]
        self._alarm_p = np.ones(nodes)
        self._posterior = np.zeros((nodes, 0))
        self._moves = Moves(nodes)
        self._labelling = Labelling(network, self.start, pace, self)
        self._global_models = [global_model(self.start)] if self.global_model else []
        self._expert_weights = ExpertWeights(nodes)
        config = exchange.peers.config
        needed = exchange.peers.diameter * (2 if config.loss or config.away or config.slow else 1)
        self._flood = max(1, min(self.flood or needed, pace.rounds // 4))

    def predict(self, x: Array) -> Array:
        """See ``Learner``. The bank and the global model are mixed by their expert weights."""
        if not self.bank.entries:
            return super().predict(x)
        if not self._global_models:
            return self._predict_by_bank(x)
        return self._expert_weights.mixed(*self._predict_by_experts(x))

    def _predict_by_experts(self, x: Array) -> tuple[Array, Array]:
        """Return the probabilities of the bank and of the global model."""
        (model,) = self._global_models
        return self._predict_by_bank(x), self.network.probability(model.models, x)

    def _predict_by_bank(self, x: Array) -> Array:
        """Return the bank's probabilities: entries mixed by posterior for the newest batch."""
        parts = [
            share[:, None, None] * self.network.probability(entry.models, x)
            for share, entry in zip(self._posterior.T, self.bank.entries, strict=True)
        ]
        return np.asarray(sum(parts))

    def told(self, level: float) -> NDArray[np.bool_]:
        """See ``Learner``; by ``alarm_p``, whatever the node then does with the batch."""
        return self._alarm_p <= level

    def skip(self, steps: int) -> None:
        """See ``Learner``."""
        super().skip(steps)
        self.step += steps

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.bank.entries and self._global_models:
            self._expert_weights.score(batch, *self._predict_by_experts(batch.x))
        self.step += 1
        self._last_entry = self.entry.copy()
        self._renamed_before, self._renamed = self._renamed, [[] for _ in self.entry]
        self._adams: dict[Opened, Adam] = {}
        self._introduce(self._label(batch))
        pairs = self._compare() if self.joins else [[] for _ in self.entry]
        self._agree(pairs)
        if self._global_models:
            self._expert_weights.weigh()
        self.alarms = (self.entry != self._last_entry) & (self.step > 0)
        self._count_moves(batch)
        self._tidy()

    def _count_moves(self, batch: Batch) -> None:
        """Count whether each node stayed, returned to another entry, or opened one that it kept."""
        moved = np.where(self.alarms, Moves.RETURN, Moves.STAY)
        for number, (step, node) in enumerate(self.bank.opened):
            if step == self.step:
                moved[(self.entry == number) & (self.exchange.own == node)] = Moves.NEW
        self._moves.count(moved, batch.exists.any(axis=1) & (self._last_entry != FORGOTTEN))

    def _introduce(self, opened: Sequence[NewEntry | None]) -> None:
        """Spread new entries over the network, while the other entries train."""
        self._tell(opened)
        self._rounds(0, self._flood, resting=True)
        news = self.exchange.news
        for node, told in sorted(news.told.items()):
            fits = isinstance(told, NewEntry) and self._possible(told, node)
            if fits and told.model.shape == self.start.shape[1:]:
                number = self._number(told.opened, told.model, told.parent)
                self.bank.entries[number].held = news.reach[:, node].copy()

    def _compare(self) -> list[list[Pair]]:
        """Spread evidence, merge entries at each node, and return the pairs merged at each."""
        evidence, counts = evidence_tables(self.network, self.bank)
        told = [self._told(node, evidence[node], counts[node]) for node in range(len(counts))]
        self._tell(told)
        self._rounds(self._flood, self._flood, resting=True)
        evidence, counts = self._tables()
        return self._join(evidence, counts, self.exchange.news.reach)

    def _tell(self, told: Sequence[News | None]) -> None:
        """Begin to spread the news of each node."""
        self.exchange.tell(told, [numbers_in(news) for news in told])

    def _told(self, node: int, evidence: Array, counts: NDArray[np.int_]) -> NodeEvidence:
        """Return what a node tells of the entries that it holds or remembers."""
        known = self._known(node, counts)
        opened = [self.bank.entries[i].opened for i in known]
        return NodeEvidence(opened, evidence[np.ix_(known, known)], counts[known])

    def _known(self, node: int, counts: NDArray[np.int_]) -> NDArray[np.int_]:
        """Return the numbers of the entries that a node holds or remembers."""
        held = np.array([entry.held[node] for entry in self.bank.entries], bool)
        return np.flatnonzero(held | (counts > 0))

    def _tables(self) -> tuple[Array, NDArray[np.int_]]:
        """Return the evidence (all nodes, entry, entry) and memories of the news that arrived."""
        told = self._told_of(NodeEvidence)
        for of_node in told.values():
            for opened in of_node.opened:
                self._number(opened)
        count, nodes = len(self.bank.entries), self.exchange.everyone
        evidence = np.zeros((nodes, count, count))
        counts = np.zeros((nodes, count), int)
        for node, of_node in told.items():
            numbers = [self._number(opened) for opened in of_node.opened]
            evidence[node][np.ix_(numbers, numbers)] = of_node.evidence
            counts[node, numbers] = of_node.counts
        return evidence, counts

    def _told_of(self, kind: type[Told]) -> dict[int, Told]:
        """Return the news of a kind that arrived, by node; other kinds are out of turn."""
        return {
            node: news
            for node, news in self.exchange.news.told.items()
            if isinstance(news, kind) and self._possible(news, node)
        }

    def _possible(self, news: News, node: int) -> bool:
        return possible(news, node, self.step, self.exchange.everyone)

    def _number(
        self,
        opened: tuple[int, int],
        model: Array | None = None,
        parent: tuple[int, int] | None = None,
    ) -> int:
        """Return the number of an entry; it is added where another node knows it alone."""
        kin = None if parent is None else self.bank.entries[self._number(parent)]
        before = len(self.bank.entries)
        start = self.start[0] if model is None else model
        number = self.bank.place(opened, start, kin)
        if len(self.bank.entries) > before:
            for followed in (self.entry, self._last_entry):
                followed[followed >= number] += 1
            self._posterior = np.insert(self._posterior, number, 0.0, axis=1)
        return number

    def _label(self, batch: Batch) -> list[NewEntry | None]:
        """Decide which entry the batch teaches at each node; return what nodes opened for it."""
        count = len(self.bank.entries)
        labels = self._labelling.verdict(self.bank, batch, self._posterior, self._moves)
        self._alarm_p = alarm_p(self.network, self.bank, batch, labels, self.entry)
        has_rows = np.asarray(batch.exists.any(axis=1))
        chosen = np.where(has_rows, labels.best, FORGOTTEN)
        memory = Memory(self.step, batch, labels.predicted, chosen)
        self.bank.memories.append(memory)
        opening = np.flatnonzero(chosen == count)
        of_known = np.where(has_rows[:, None], labels.posterior[:, :count], self._posterior)
        self._posterior = np.asarray(of_known)
        parents = [entry.opened for entry in self.bank.entries]
        self.entry = np.where(has_rows & (chosen < count), chosen, self.entry)
        new: list[NewEntry | None] = [None] * len(chosen)
        memory.entry[opening] = FORGOTTEN
        for node in opening:
            place = labels.parent[node]
            parent = parents[place] if labels.new.frozen[node] and place != FORGOTTEN else None
            opened = (self.step, int(self.exchange.own[node]))
            number = self._number(opened, labels.new.models[node], parent)
            self.bank.entries[number].held[node] = True
            memory.entry[node] = self.entry[node] = number
            self._posterior[node, number] = labels.posterior[node, count]
            new[node] = NewEntry(opened, labels.new.models[node], parent)
        return new

    def _rounds(self, first: int, rounds: int, resting: bool = False) -> None:
        """Train and average the entries, while news spread.

        A message names the nodes whose news its sender has, with a bit for each. Receivers are sent
        the news that they lack, again where a message was lost. A node trains an entry of which it
        knows more than one memory.

        Args:
            first: number of the first of these rounds in the step.
            rounds: number of rounds.
            resting: whether the entries of this step do not train yet.
        """
        memories = self.bank.memories if self.old else self.bank.memories[-1:]
        x, y = (np.concatenate([getattr(m.batch, part) for m in memories], axis=1) for part in "xy")
        counts = self.bank.counts()
        numbers = [
            number
            for number, entry in enumerate(self.bank.entries)
            if not (resting and entry.opened[0] == self.step)
        ]
        entries = [self.bank.entries[number] for number in numbers]
        weights = [
            self.bank.rows(number, self.fade)[:, -x.shape[1] :]
            * (counts[:, number] + entry.heard > 1)[:, None]
            for number, entry in zip(numbers, entries, strict=True)
        ]
        sizes = [counts[:, number].astype(float) for number in numbers]
        for model in self._global_models:
            entries.append(model)
            weights.append(self.bank.rows()[:, -x.shape[1] :])
            sizes.append(weights[-1].sum(axis=1))
        adams = [self._adam(entry.opened) for entry in entries]
        rows = [(x, y, weight) for weight in weights]
        for number, participating in self.rounds(adams, first, rounds):
            parts = {
                name_of(entry.opened): Shared(
                    self._trained(entry, of_entry, participating), size, entry.held
                )
                for entry, of_entry, size in zip(entries, rows, sizes, strict=True)
            }
            sent = self.exchange.share(parts)
            body = self.network.body if number < self.pace.rounds // 2 else 0
            of_entries = [sent[name_of(entry.opened)] for entry in entries]
            rounds_of = [self.exchange.now] * len(entries)
            if self.num_byzantine:
                of_entries = [checked(shared) for shared in of_entries]
                rounds_of = [
                    self._trusting(shared, r) for shared, r in zip(of_entries, rows, strict=True)
                ]
            means = averaged(rounds_of, self.exchange.own, entries, of_entries, body)
            for entry, mean in zip(entries, means, strict=True):
                entry.models = np.where((entry.held & participating)[:, None], mean, entry.models)
            self._count_bytes()

    def _trained(self, entry: BankEntry, rows: Rows, participating: NDArray[np.bool_]) -> Array:
        """Return the models of an entry after one more round of training."""
        x, y, weight = rows
        weight = weight * participating[:, None]
        adam = self._adam(entry.opened)
        return self.network.descend(entry.models, x, y, weight, adam, self.pace.local_steps)

    def _trusting(self, sent: Shared, rows: Rows) -> Round:
        """Return the round without the received models that a node's own rows speak against."""
        exchange = self.exchange
        return trusting(self.network, exchange.now, exchange.own, sent, rows, self.num_byzantine)

    def _adam(self, opened: Opened) -> Adam:
        """Return the optimizer of an entry in this step."""
        if opened not in self._adams:
            self._adams[opened] = Adam(self.start.shape, self.pace.rate)
        return self._adams[opened]

    def _count_bytes(self) -> None:
        """Count the bytes of the models that each node sent, and of the names of news."""
        held = np.sum([entry.held for entry in self.bank.entries], axis=0)
        models = (len(self._global_models) + held) * (self.network.size + _SENT_WITH_A_MODEL)
        self.exchange.sends(models + self.exchange.everyone / 32)

    def _join(
        self, evidence: Array, counts: NDArray[np.int_], reach: NDArray[np.bool_]
    ) -> list[list[Pair]]:
        """Merge entries at each node by the evidence that reached it; return its pairs."""
        opened = self.bank.opened
        pairs_of_senders: dict[bytes, list[Pair]] = {}
        pairs = []
        for node, senders in enumerate(reach):
            key = senders.tobytes()
            if key not in pairs_of_senders:
                pairs_of_senders[key] = joined_pairs(
                    evidence[senders], counts[senders].sum(axis=0), opened, self.num_byzantine
                )
            pairs.append(pairs_of_senders[key])
            self._hear(node, counts, senders)
            self._merge(node, roots(pairs_of_senders[key], opened), counts[senders].sum(axis=0))
        return pairs

    def _hear(self, node: int, counts: NDArray[np.int_], senders: NDArray[np.bool_]) -> None:
        """Remember how many memories the other nodes have of each entry."""
        others = counts[senders].sum(axis=0) - counts[self.exchange.own[node]]
        for entry, count in zip(self.bank.entries, others, strict=True):
            entry.heard[node] = count

    def _merge(self, node: int, root: NDArray[np.int_], counts: NDArray[np.int_]) -> None:
        """Merge entries at a node into their ``root``, with all that refers to them."""
        opened = self.bank.opened
        self._renamed[node] += [
            (entry.opened, opened[kept])
            for entry, kept in zip(self.bank.entries, root, strict=True)
            if entry.held[node] and entry.opened != opened[kept]
        ]
        self.bank.join(node, root, counts)
        for entry in (self.entry, self._last_entry):
            if entry[node] != FORGOTTEN:
                entry[node] = root[entry[node]]
        shares = np.zeros(len(root))
        np.add.at(shares, root, self._posterior[node])
        self._posterior[node] = shares

    def _agree(self, pairs: list[list[Pair]]) -> None:
        """Train on, and repeat merges of more than ``num_byzantine`` nodes where they arrive.

        A node tells its merges of the step before again, so that they go on to nodes that news do
        not reach in one step, and to those where they were lost.
        """
        opened = self.bank.opened
        counts = self.bank.counts()
        told = []
        for node, of_node in enumerate(pairs):
            known = self._known(node, counts[node])
            named = [*self._renamed_before[node], *((opened[a], opened[b]) for a, b in of_node)]
            told.append(NodeMerges(named, [opened[i] for i in known], counts[node, known]))
        self._tell(told)
        done = self._flood * (1 + self.joins)
        self._rounds(done, self.pace.rounds - done)
        made, counts = self._merges()
        opened = self.bank.opened
        for node, senders in enumerate(self.exchange.news.reach):
            reached = [k for k in np.flatnonzero(senders).tolist() if k in made]
            self._hear(node, counts, senders)
            if len({made[k] for k in reached}) > 1:
                each = [roots(made[k], opened) for k in reached]
                common = roots(agreed(each, self.num_byzantine), opened)
                self._merge(node, common, counts[senders].sum(axis=0))

    def _merges(self) -> tuple[dict[int, tuple[Pair, ...]], NDArray[np.int_]]:
        """Return the pairs of each node whose news arrived, and memories (all nodes, entry)."""
        told = self._told_of(NodeMerges)
        for of_node in told.values():
            for opened in [*of_node.opened, *sum(of_node.pairs, ())]:
                self._number(opened)
        counts = np.zeros((self.exchange.everyone, len(self.bank.entries)), int)
        made = {}
        for node, of_node in told.items():
            counts[node, [self._number(o) for o in of_node.opened]] = of_node.counts
            made[node] = tuple((self._number(a), self._number(b)) for a, b in of_node.pairs)
        return made, counts

    def _tidy(self) -> None:
        """Forget batches, drop unused entries, and set the models with which nodes predict."""
        self.bank.forget(self.memory, self._rngs)
        kept = self.bank.drop_unused()
        if not len(kept):
            self.entry[:] = FORGOTTEN
            self._posterior, self.models = self._posterior[:, :0], self.start
            return
        # A node that never had a row follows the first model.
        self.entry = np.searchsorted(kept, np.maximum(self.entry, 0)).clip(max=len(kept) - 1)
        for entry in self.bank.entries:  # initial weights at nodes that do not hold it
            entry.models = np.where(entry.held[:, None], entry.models, self.start)
        # A node forgets what it thought of an entry that it holds no more.
        self._posterior = self._posterior[:, kept] * np.transpose(
            [e.held for e in self.bank.entries]
        )
        undecided = np.flatnonzero(self._posterior.sum(axis=1) == 0)
        self._posterior[undecided, self.entry[undecided]] = 1.0
        self._posterior /= added(self._posterior)[:, None]
        stack = np.stack([entry.models for entry in self.bank.entries])
        self.models = stack[self.entry, np.arange(len(self.entry))]

"""FedDrift and FedDrift-Eager: a bank of models at a server that grows with drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.task import Message
from flame.streams.exchange import Exchange
from flame.streams.learners.drift_bank import MERGE, ROUND, Bank, DriftBank
from flame.streams.learners.fine_tune import Rows
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.learners.window import together
from flame.streams.networks.base import Adam, Array, Labels, Network
from flame.streams.server import Server, ServerPart
from flame.streams.stream import Batch

Labelled = tuple[Array, Labels, Array, NDArray[np.int_]]
"""Features (n, m, ...), labels (n, m), weights (n, m), and the number (n, m) of the model that each
row trains."""


@LEARNERS.register("feddrift")
@dataclass
class FedDrift(Learner):
    """A node opens a new model where its best accuracy falls, and similar models are merged.

    A node chooses the model that is most accurate on its newest batch. Where that accuracy is below
    the one of its batch before by more than ``drop``, it opens a new model from the initial
    weights, which it trains alone for one step. The initial weights differ from the authors' code,
    in which a new model starts from the best one and hardly learns its opposite.

    The server then merges models by complete linkage, cut at ``drop``; see ``clusters``.
    FedDrift-Eager (``linkage`` off) opens one model for all nodes whose accuracy fell in a step,
    and merges nothing. Numbers of predictions that are right are not counted as sent.

    ``banks`` holds the models that each node knows, by number. ``batches`` holds the rows of each
    step so far, and ``labels`` the number (n,) of the model that each node's batch of the step
    trains. A node that comes back in the middle of a step only listens in its first round.

    Args:
        drop: fall of accuracy that opens a model, and distance below which models are merged; it
            has to fit the data. The paper has 0.04 for SEA, 0.20 for SINE and 0.10 for CIRCLE.
        linkage: whether models are merged; False is FedDrift-Eager.
        apart: whether each node begins with its own model. The authors' code has both.

    Reference:
        Jothimurugesan 2023, arXiv:2206.00799.

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
        >>> learner = FedDrift(drop=0.2)
        >>> learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(), seed=0)
        >>> for batch in (same, same, drifted):
        ...     learner.learn(batch, concept=np.array([0, 0]))
        >>> learner.alarms.tolist(), len(learner.banks[0])
        ([False, True], 2)
    """

    alarming = True
    distributed = True
    at_server = True
    tells = "how many of its rows each model predicts right"
    drop: float = 0.10
    linkage: bool = True
    apart: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise BadInput("methods.options.drop: between 0 and 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``; raise BadInput where the exchange is not a server."""
        super().begin(network, exchange, pace, seed)
        if not isinstance(exchange, Server):
            raise BadInput("feddrift keeps its models at a server: set exchange = 'server'")
        self.server = exchange
        bank = dict.fromkeys(range(exchange.everyone if self.apart else 1), self.start[0])
        drop = self.drop if self.linkage else 0
        exchange.part = DriftBank(dict(bank), exchange.everyone, pace.rounds, drop)
        self.banks: list[Bank] = [bank] * exchange.nodes
        self.batches: list[Rows] = []
        self.labels: list[NDArray[np.int_]] = []
        self._last_accuracy = np.zeros(exchange.nodes)

    def server_part(self) -> ServerPart | None:
        """See ``Learner``."""
        return self.server.part

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.server.number >= 0:
            self._merge()
        last = self._last()
        chosen = self._choose(batch, last)
        self.alarms = chosen != last
        self.batches.append((batch.x, batch.y, batch.weight))
        self.labels.append(chosen)
        self._adams: dict[tuple[int, int], Adam] = {}
        rows = together(self.batches)
        for number, participating in self.rounds(()):
            training = participating & ~self.server.returning
            self._round(rows, self.pace.rate_of(number), training)
        chosen_models = [bank[k] for bank, k in zip(self.banks, self.labels[-1], strict=True)]
        self.models = np.where(participating[:, None], np.stack(chosen_models), self.models)

    def _round(self, rows: Rows, rate: float, training: NDArray[np.bool_]) -> None:
        """Train each model for a round on the rows that have its label, and average it."""
        labelled = self._labelled(rows)
        messages: list[Message] = []
        for node, trains in enumerate(training.tolist()):
            models = self._trained(node, labelled, rate) if trains else []
            messages.append({"models": models})
        self.exchange.sends(np.array([self.network.size * len(m["models"]) for m in messages]))
        self._take(self.server.ask(self.server.number, ROUND, messages))

    def _trained(self, node: int, rows: Labelled, rate: float) -> list[Any]:
        """Train the models of which a node has rows; return number, model and rows of each."""
        x, y, weight, labels = rows[0][[node]], rows[1][[node]], rows[2][[node]], rows[3][[node]]
        trained = []
        for number in np.unique(labels[weight > 0]).tolist():
            own = weight * (labels == number)
            if (node, number) not in self._adams:
                self._adams[node, number] = Adam(self.start[:1].shape, rate)
            adam = self._adams[node, number]
            adam.rate = rate
            start = self.banks[node][number][None]
            model = self.network.descend(start, x, y, own, adam, self.pace.local_steps)[0]
            self.banks[node] = {**self.banks[node], number: model}
            trained.append([number, model, float(own.sum())])
        return trained

    def _take(self, replies: Sequence[Message | None]) -> None:
        """Go on with the models of the server, where its reply arrived."""
        for node, reply in enumerate(replies):
            if reply is None:
                continue
            bank = {int(number): np.asarray(model, float) for number, model in reply["bank"]}
            fits = (m.shape == self.start[0].shape and np.isfinite(m).all() for m in bank.values())
            if not bank or not all(fits):
                raise BadInput("the server sent models of another shape, or that are not finite")
            merged = {int(gone): int(number) for gone, number in reply["merged"]}
            self.banks[node] = bank
            for labels in self.labels:
                label = merged.get(int(labels[node]), int(labels[node]))
                labels[node] = label if label in bank else next(iter(bank))

    def _labelled(self, all_rows: Rows) -> Labelled:
        """Return the rows of all batches so far, with the model that each row trains."""
        labels = [
            np.tile(k[:, None], (1, rows[1].shape[1]))
            for k, rows in zip(self.labels, self.batches, strict=True)
        ]
        return (*all_rows, np.concatenate(labels, axis=1))

    def _last(self) -> NDArray[np.int_]:
        """Return the number (n,) of the model that each node used last."""
        last = self.labels[-1] if self.labels else self.server.own * self.apart
        known = zip(last.tolist(), self.banks, strict=True)
        return np.array([number if number in bank else min(bank) for number, bank in known])

    def _choose(self, batch: Batch, last: NDArray[np.int_]) -> NDArray[np.int_]:
        """Return the number (n,) of the model of each node for its newest rows; open new ones."""
        chosen = last.copy()
        step = (self.server.number + 1) // self.pace.rounds
        for node in np.flatnonzero(batch.exists.any(axis=1)).tolist():
            right = self._right(node, batch.x, batch.y)
            weight = batch.weight[node]
            accuracy = right @ weight / weight.sum()
            bank = self.banks[node]
            if self.server.number >= 0:
                chosen[node] = list(bank)[accuracy.argmax()]
            if accuracy.max() < self._last_accuracy[node] - self.drop:
                opener = int(self.server.own[node]) if self.linkage else 0
                chosen[node] = (step + 1) * self.server.everyone + opener
                self.banks[node] = {**bank, int(chosen[node]): self.start[0]}
            self._last_accuracy[node] = accuracy.max()
        return chosen

    def _right(self, node: int, x: Array, y: Labels) -> Array:
        """Return which rows (models, m) of a node its models predict right."""
        own = x[[node]]
        models = self.banks[node].values()
        found = [self.network.probability(model[None], own)[0].argmax(axis=-1) for model in models]
        return np.array(np.stack(found) == y[node], float)

    def _merge(self) -> None:
        """Tell the server how many rows of each model the others predict right; it merges them."""
        labelled = self._labelled(together(self.batches)) if self.batches else None
        messages = [self._scores(node, labelled) for node in range(len(self.banks))]
        self._take(self.server.ask(self.server.number + 1, MERGE, messages))

    def _scores(self, node: int, labelled: Labelled | None) -> Message:
        """Return how many rows of each model each of them predicts right at a node."""
        bank = self.banks[node]
        if labelled is None:  # it missed the first steps
            return {"numbers": [], "rows": [], "right": []}
        x, y, weight, labels = labelled
        of_model = np.stack([weight[node] * (labels[node] == number) for number in bank])
        right = of_model @ self._right(node, x, y).T
        return {"numbers": list(bank), "rows": of_model.sum(axis=1), "right": right}

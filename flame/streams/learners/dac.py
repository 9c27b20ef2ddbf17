"""DAC (Listo Zec 2022): each node draws partners whose models fit its own rows."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.method import Round
from flame.streams.exchange import Exchange
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.networks.base import Adam, Array, Network, mean_loss, shares
from flame.streams.stream import Batch
from flame.streams.transport import Shared

_GROWTH = 0.2
"""How fast the sharpness of the choice grows with the rounds, as in the authors' code."""
_LEAST_LOSS = 1e-6


@LEARNERS.register("dac")
@dataclass
class DAC(Learner):
    """In each round a node averages its model with ``sampled`` partners, weighted by rows.

    The probability of partner j of node i is proportional to exp(t / loss_i(model of j)), with the
    mean loss on the newest batch of i, and t = 2 a / (1 + exp(-0.2 r)) - a + 1 in round r (a is
    ``sharpness``). In the first round, and without rows, all neighbours are equally probable.

    Args:
        sampled: number of partners in a round; 0: all neighbours.
        sharpness: how much the most similar partners are preferred in late rounds.

    Reference:
        Listo Zec 2022, arXiv:2206.08839, and its public code (DAC-var, whose a is 30). There a
        node can call any other, so that it estimates the similarity of those that it has not met
        by what its partners say; here it hears its neighbours in each round, and measures it. The
        models are averaged before they train; here after, as by all learners.

    Example:
        The labels of the third node are opposite, and the other two soon avoid it.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Gossip
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b", "c"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> batch = padded([(x, y, y), (x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> learner = DAC()
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=1)
        >>> learner.learn(batch, concept=np.zeros(3, int))
        >>> bool((learner.predict(batch.x).argmax(axis=-1) == batch.y)[:2].all())
        True
    """

    distributed = True
    sampled: int = 1
    sharpness: float = 30.0

    def __post_init__(self) -> None:
        if self.sampled < 0 or self.sharpness < 0:
            raise BadInput("methods.options: sampled and sharpness must be 0 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._rngs = [np.random.default_rng([seed, 10, int(k)]) for k in exchange.own]

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        adam = Adam(self.start.shape, self.pace.rate)
        for _, participating in self.rounds([adam]):
            started = self.exchange.given(self.models)
            weight = batch.weight * participating[:, None]
            trained = self.network.descend(
                started, batch.x, batch.y, weight, adam, self.pace.local_steps
            )
            sent = self.exchange.shared(trained, weight.sum(axis=1))
            mean = self._with_partners(sent, batch).by(sent.counts) @ sent.models
            self.exchange.sends(self.network.size + 1)
            new = mean[self.exchange.own]
            self.models = np.where(participating[:, None], new, self.models)

    def _with_partners(self, sent: Shared, batch: Batch) -> Round:
        """Return the round in which only the models of drawn partners arrived at own nodes."""
        now, own = self.exchange.now, self.exchange.own
        heard = (now.arrived & (now.weights > 0) & sent.held)[own]
        heard[np.arange(len(own)), own] = False
        appeal = self._appeal(heard, sent.models, batch)
        arrived = now.arrived.copy()
        arrived[own] = np.eye(len(arrived), dtype=bool)[own]
        for node, senders in enumerate(heard):
            there = np.flatnonzero(senders)
            # The largest sums with Gumbel noise are a draw without replacement.
            noisy = appeal[node, there] + self._rngs[node].gumbel(size=len(there))
            drawn = there[np.argsort(-noisy)[: self.sampled or None]]
            arrived[own[node], drawn] = True
        return replace(now, arrived=arrived, weights=np.ones_like(now.weights))

    def _appeal(self, heard: NDArray[np.bool_], models: Array, batch: Batch) -> Array:
        """Return the logarithm (n, everyone) of what the probability of a partner is like."""
        appeal = np.zeros(heard.shape)
        number = self.exchange.number
        if number == 0:
            return appeal
        to, of = np.nonzero(heard & batch.exists.any(axis=1, keepdims=True))
        share = shares(batch.weight)
        loss = mean_loss(self.network, models[of], batch.x[to], batch.y[to], share[to])
        sharp = 2 * self.sharpness / (1 + np.exp(-_GROWTH * number)) - self.sharpness + 1
        appeal[to, of] = sharp / np.maximum(loss, _LEAST_LOSS)
        return appeal

"""The oracle: an upper limit in which every node knows its true concept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import Rows
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.learners.window import together
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.stream import Batch


@LEARNERS.register("oracle")
@dataclass
class Oracle(Learner):
    """One model for each concept, trained on all batches of the concept so far.

    A model starts from the initial weights. It is averaged over nodes, weighted by their rows of
    its concept; a node without such rows forwards the model.

    Example:
        The second node has another concept, and each node predicts its own concept.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> same = padded([(x, y, y), (x, y, y)], shape=(1,))
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> from flame.streams.exchange import Gossip
        >>> learner = Oracle()
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(drifted, concept=np.array([0, 1]))
        >>> bool((learner.predict(drifted.x).argmax(axis=-1) == drifted.y).all())
        True
    """

    is_oracle = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._bank: dict[int, Array] = {}
        self._batches: list[Rows] = []
        self._concepts: list[NDArray[np.int_]] = []

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        self._batches.append((batch.x, batch.y, batch.weight))
        self._concepts.append(np.tile(concept[:, None], (1, batch.y.shape[1])))
        x, y, weight = together(self._batches)
        concepts = np.concatenate(self._concepts, axis=1)
        known = [int(c) for c in np.unique(concepts)]
        adams = {c: Adam(self.start.shape, self.pace.rate) for c in known}
        for _, participating in self.rounds(adams.values()):
            for c in known:
                models = self.exchange.given(self._bank.get(c, self.start))
                of_concept = weight * (concepts == c) * participating[:, None]
                trained = self.network.descend(
                    models, x, y, of_concept, adams[c], self.pace.local_steps
                )
                self._bank[c] = self.exchange.average(trained, of_concept.sum(axis=1))
                self.exchange.sends(self.network.size)
        self.models = np.stack([self._bank[int(c)][node] for node, c in enumerate(concept)])

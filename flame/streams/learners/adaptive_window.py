"""A learner that forgets earlier batches of a node once a drift detector raises an alarm."""

from dataclasses import dataclass

import numpy as np

from flame.streams.detectors import DETECTORS, Watch
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.learners.window import Window, together
from flame.streams.networks.base import Network, shares
from flame.streams.stream import Batch


@LEARNERS.register("adaptive-window")
@dataclass
class AdaptiveWindow(Window):
    """Trains on all batches since the last alarm of a detector that watches the node's errors.

    An alarm counts only where the node errs more often than in its batch before, as detectors also
    notice that a model has become better.

    Peer to peer this is DFedAvgM with drift detectors, with Adam in place of heavy-ball momentum
    within a round.

    Args:
        detector: name of a drift detector of river.
        steps: not used.

    Reference:
        Casado 2022, doi:10.1007/s11042-021-11219-x, for the same with a server (CDA-FedAvg); Sun
        2023, arXiv:2104.11375, for DFedAvgM.

    Example:
        From the third batch on the labels of the node are turned round, and it forgets the others.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x = np.linspace(-1, 1, 60)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = AdaptiveWindow()
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> for labels in (y, y, 1 - y):
        ...     learner.learn(padded([(x, labels, labels)], shape=(1,)), concept=np.array([0]))
        >>> learner.alarms.tolist(), len(learner.seen)
        ([True], 1)
    """

    alarming = True
    detector: str = "adwin"
    steps: int = 0

    def __post_init__(self) -> None:
        DETECTORS[self.detector]  # raises BadInput where the name is unknown

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._watch = Watch([self.detector], exchange.nodes)
        self._errors = np.ones(exchange.nodes)

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        if self.seen:
            wrong = (self.predict(batch.x).argmax(axis=-1) != batch.y).astype(float)
            alarm = self._watch.see(wrong, batch.exists)[self.detector]
            errors = (wrong * shares(batch.weight)).sum(axis=1)
            self.alarms = np.isfinite(alarm) & (errors > self._errors)
            self._errors = np.where(batch.exists.any(axis=1), errors, self._errors)
        kept = [(x, y, weight * ~self.alarms[:, None]) for x, y, weight in self.seen]
        self.seen = [each for each in kept if each[2].any()] + [FineTune.rows(self, batch)]
        return together(self.seen)

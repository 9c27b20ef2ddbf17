"""DCFCL (Yang 2025): nodes form coalitions whose members gain from each other, and average them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.elastic import LwF
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.stream import Batch

Coalition = frozenset[int]


@LEARNERS.register("dcfcl")
@dataclass
class DCFCL(LwF):
    """Learning without forgetting, and averages within coalitions that are formed in every round.

    The gain of node c in a coalition is the similarity of its update with the mean update of the
    others: with u_i the update of node i in the round, s_ij = cos(u_i, u_j) + alike * cos(w_i,
    w_j) of two nodes and s_ii = 1, it is sum_i |u_i| s_ic / sqrt(sum_ij |u_i| |u_j| s_ij). Alone it
    is 0. Every node hears of every other one, whatever the graph.

    Args:
        alike: weight of the similarity of models beside that of updates, 0 or more.
        strength: weight of learning without forgetting, 0 or more.
        temperature: divisor of its logits, above 0.

    Reference:
        Yang 2025, arXiv:2509.23683, with the public code's weights. The code tries all partitions
        of up to ten nodes in the first round; here coalitions merge and split from those of the
        round before, as in the paper's algorithm for many nodes.

    Example:
        Two nodes with the same labels, and two with the opposite ones.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.server import Server
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b", "c", "d"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> batch = padded([(x, y, y), (x, y, y), (x, 1 - y, 1 - y), (x, 1 - y, 1 - y)], (1,))
        >>> learner = DCFCL()
        >>> learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0, 0, 1, 1]))
        >>> sorted(sorted(coalition) for coalition in learner.coalitions)
        [[0, 1], [2, 3]]
    """

    mixes = False
    distributed = False
    alike: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alike < 0:
            raise BadInput("methods.options.alike: 0 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.coalitions = [frozenset({node}) for node in range(exchange.nodes)]

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        rows = self.rows(batch)
        adam = Adam(self.models.shape, self.pace.rate)
        for _, participating in self.rounds([adam]):
            trained = self.train(rows, adam)
            counts = batch.weight.sum(axis=1) * participating
            weighted = products(trained - self.models, trained, self.alike)
            self.coalitions = formed(self.coalitions, weighted, participating & (counts > 0))
            for coalition in self.coalitions:
                if len(coalition) > 1:
                    members = sorted(coalition)
                    share = counts[members] / counts[members].sum()
                    trained[members] = share @ trained[members]
            self.exchange.sends(self.network.size)
            self.models = trained
        self.end(batch)


def products(updates: Array, models: Array, alike: float) -> Array:
    """Compute the products of similarity and lengths of all pairs of nodes.

    Args:
        updates: update (n, size) of each node.
        models: model (n, size) of each node.
        alike: weight of the similarity of models.

    Returns:
        |u_i| |u_j| s_ij (n, n); |u_i|^2 on the diagonal.
    """
    length = np.linalg.norm(updates, axis=1)
    size = np.maximum(np.linalg.norm(models, axis=1), np.finfo(float).tiny)
    of_models = (models @ models.T) / np.outer(size, size)
    np.fill_diagonal(of_models, 0)  # a node is no more like itself than 1
    return np.asarray(updates @ updates.T + alike * np.outer(length, length) * of_models)


def gain(node: int, coalition: Coalition, weighted: Array) -> float:
    """Compute what a node gains in a coalition.

    Args:
        node: the node.
        coalition: its coalition, with itself.
        weighted: ``products`` of all nodes.

    Returns:
        The gain; 0 alone.
    """
    others = sorted(coalition - {node})
    if not others:
        return 0.0
    spread = weighted[np.ix_(others, others)].sum()
    length = np.sqrt(max(weighted[node, node], 0.0))
    if spread <= 0 or length == 0:
        return 0.0
    return float(weighted[others, node].sum() / length / np.sqrt(spread))


def formed(
    before: Sequence[Coalition], weighted: Array, present: NDArray[np.bool_]
) -> list[Coalition]:
    """Form coalitions: nodes leave those that cost them, and coalitions merge where nobody loses.

    Args:
        before: coalitions of the round before.
        weighted: ``products`` (n, n) of all nodes.
        present: mask (n,) of the nodes that take part; the others are alone.

    Returns:
        Coalitions of all nodes, of which no node would rather be alone, and no two of which could
        merge so that a member gains and none loses.
    """
    here = set(np.flatnonzero(present).tolist())
    alone = [frozenset({node}) for node in range(len(weighted)) if node not in here]
    coalitions = [left for coalition in before if (left := coalition & here)]
    coalitions = [part for coalition in coalitions for part in _split(coalition, weighted)]
    while (pair := _best_pair(coalitions, weighted)) is not None:
        coalitions = [each for each in coalitions if each not in pair] + [pair[0] | pair[1]]
    return coalitions + alone


def _split(coalition: Coalition, weighted: Array) -> list[Coalition]:
    """Let the node that loses most leave, until none loses."""
    left, gone = coalition, []
    while len(left) > 1:
        worst = min(sorted(left), key=lambda node: gain(node, left, weighted))
        if gain(worst, left, weighted) >= 0:
            break
        gone.append(frozenset({worst}))
        left = left - {worst}
    return [left, *gone]


def _best_pair(
    coalitions: Sequence[Coalition], weighted: Array
) -> tuple[Coalition, Coalition] | None:
    """Return the two coalitions whose members gain most if they merge; None where one loses."""
    best, found = 0.0, None
    for number, one in enumerate(coalitions):
        for other in coalitions[:number]:
            more = [
                gain(node, one | other, weighted) - gain(node, own, weighted)
                for own in (one, other)
                for node in own
            ]
            if min(more) >= 0 and sum(more) > best:
                best, found = sum(more), (one, other)
    return found

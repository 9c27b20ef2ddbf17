"""Which received models a node averages, where some nodes may be malicious."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.method import NO_DATA, Round
from flame.streams.networks.base import Array, Labels, Network, added, mean_loss, shares
from flame.streams.transport import Shared


def trusting(
    network: Network,
    now: Round,
    own: NDArray[np.int_],
    sent: Shared,
    rows: tuple[Array, Labels, Array],
    num_byzantine: int,
) -> Round:
    """Leave out received models that a node has reason to doubt, and clip the others.

    A node that trains the model leaves out those that predict its rows worse than their label
    frequencies do, and worse than its own copy does. A node without rows cannot tell, and leaves
    out the ``num_byzantine`` copies that are farthest from its own. What is left is clipped to the
    distance of the copy that is farthest but for ``num_byzantine`` received ones: at least one
    honest copy is that far away. Where no more than ``num_byzantine`` arrived, nothing is clipped.

    Args:
        network: the network.
        now: the round, with the messages that arrived between all nodes.
        own: numbers (n,) of the nodes that are in this process.
        sent: what all nodes sent of one model.
        rows: features (n, m, ...), labels (n, m) and weights (n, m) of the rows that train it.
        num_byzantine: number of nodes that may be malicious.

    Returns:
        The round, in which messages with such models did not arrive at these nodes, and in which a
        clipped model has less weight, and a node's own model more, in averages by count.

    Reference:
        He 2022, arXiv:2202.01545, for clipped gossip.
    """
    received = (now.arrived & (now.weights > 0) & sent.held)[own]
    received[np.arange(len(own)), own] = False
    x, y, weight = rows
    share, has_rows = shares(weight), weight.sum(axis=1) > 0
    frequent = np.stack([added(share * (y == c)) for c in range(network.classes)], axis=1)
    least = -(frequent * np.log(np.where(frequent > 0, frequent, 1))).sum(axis=1)
    least = np.maximum(least, mean_loss(network, sent.models[own], x, y, share))
    to, of = np.nonzero(received & has_rows[:, None])
    poor = mean_loss(network, sent.models[of], x[to], y[to], share[to]) > least[to]
    arrived = now.arrived & (sent.held | np.eye(len(now.arrived), dtype=bool))
    arrived[own[to[poor]], of[poor]] = False
    weights, counts = now.weights.copy(), np.maximum(sent.counts, NO_DATA)
    for node, heard, trains in zip(own.tolist(), received, has_rows.tolist(), strict=True):
        senders = np.flatnonzero(heard)
        apart = np.linalg.norm(sent.models[senders] - sent.models[node], axis=1)
        nearest = np.argsort(apart, kind="stable")
        if not trains:
            arrived[node, senders[nearest[::-1][:num_byzantine]]] = False
        elif len(senders) > num_byzantine:
            radius = apart[nearest[-1 - num_byzantine]]
            beyond = (apart > radius) & arrived[node, senders]
            far = senders[beyond]
            clipped = now.weights[node, far] * (1 - radius / apart[beyond])
            weights[node, far] -= clipped
            weights[node, node] += clipped @ counts[far] / counts[node]
    return replace(now, weights=weights, arrived=arrived)


def checked(sent: Shared) -> Shared:
    """Take from what nodes sent what no node can check.

    Args:
        sent: what all nodes sent of one model.

    Returns:
        The same with counts of 0 or 1, as a node may claim any, and without models that are not
        finite.
    """
    finite = np.asarray(np.isfinite(sent.models).all(axis=1))
    models = np.where(finite[:, None], sent.models, 0)
    return Shared(models, np.minimum(sent.counts, 1), sent.held & finite)

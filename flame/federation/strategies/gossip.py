"""Peer-to-peer learning: each site trains its own model and mixes it with those of neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from flame.core.arrays import flat, mean, shaped
from flame.core.errors import BadInput
from flame.core.scores import Update, Weights
from flame.federation.gossip.method import (
    GOSSIP,
    METHODS,  # noqa: F401  (registers every method)
    NodeStates,
    Round,
    open_method,
)
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy

OWN = "own."
"""Prefix of the sites' models in ``State.memory``."""
_METHOD = "method."
"""Prefix of the gossip method's arrays in ``State.memory``."""
_ROUND = "round"
"""Name of the number of rounds so far in ``State.memory``."""


@STRATEGIES.register(GOSSIP)
@dataclass(frozen=True)
class Gossip(Strategy):
    """Sites train their own models and mix them with those of their neighbours, without a server.

    In each round site i trains its model w_i and then applies the gossip method of ``config``, such
    as w_i <- sum_j W_ij w_j over its neighbours j and itself. The weights of the ``State`` are the
    mean of all models; a centre that took no part in the training gets them.

    On FLARE every site runs this class itself and receives only the updates of its neighbours. In
    the state of a site, only the model of that site is then valid.

    Args:
        config: topology and gossip method.
        everyone: names of all nodes that a topology file may contain; empty: the sites of the
            training.

    Example:
        On a line W is ((2, 1, 0), (1, 1, 1), (0, 1, 2)) / 3.

        >>> values = {"a": 0.0, "b": 3.0, "c": 6.0}
        >>> updates = [Update(k, [np.array([v])], 1, 0.0, 0.0) for k, v in values.items()]
        >>> gossip = Gossip(GossipConfig(topology="line"))
        >>> after = gossip.aggregate(State([np.zeros(1)]), updates)
        >>> [gossip.weights_for(after, site)[0].item() for site in "abc"]
        [1.0, 3.0, 5.0]
    """

    personal = True
    alone_suffices = True
    config: GossipConfig = GossipConfig()
    everyone: tuple[str, ...] = ()

    def check_sites(self, sites: Sequence[str]) -> None:
        """Check that the topology and the gossip method fit the sites; one site has no network."""
        if len(sites) < 2:
            return
        try:
            network = self.peers(tuple(sites))
            network.round(0)
            open_method(self.config.method, self.config.options).check(network.heard)
        except BadInput as error:
            raise BadInput(f"gossip, for a training of {', '.join(sites)}: {error}") from None

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """Return the state before the first round, in which all sites have the same weights."""
        models = {f"{OWN}{site}": state.weights for site in sites}
        return State(state.weights, {**models, _ROUND: [np.zeros(1, np.int64)]}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """Return the site's own model."""
        return state.memory.get(f"{OWN}{site}", state.weights)

    def peers(self, sites: tuple[str, ...]) -> GossipNetwork:
        """Return the network of a training.

        Args:
            sites: names of the sites of the training.

        Returns:
            The network, with the absences and delays of these sites only.

        Raises:
            BadInput: the topology file cannot be read or names an unknown node.
        """
        away = {name: rounds for name, rounds in self.config.away.items() if name in sites}
        slow = {name: share for name, share in self.config.slow.items() if name in sites}
        return GossipNetwork(
            replace(self.config, away=away, slow=slow), sites, everyone=self.everyone
        )

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Mix the models; sites that are away or sent no update keep theirs and send nothing."""
        if not any(name.startswith(OWN) for name in state.memory):
            state = self.begin(state, tuple(u.centre for u in updates))
        sites = tuple(sorted(n.removeprefix(OWN) for n in state.memory if n.startswith(OWN)))
        number = int(state.memory[_ROUND][0][0])
        before = np.stack([flat(self.weights_for(state, site)) for site in sites])
        network = self.peers(sites)
        participating = dict(zip(sites, network.participating(number), strict=True))
        sent = {update.centre: update for update in updates if participating[update.centre]}
        trained = before.copy()
        for row, site in enumerate(sites):
            if site in sent:
                trained[row] = flat(sent[site].weights)
        memory = {
            name.removeprefix(_METHOD): arrays[0]
            for name, arrays in state.memory.items()
            if name.startswith(_METHOD)
        }
        after = NodeStates(trained)
        if len(sites) > 1:
            method = open_method(self.config.method, self.config.options)
            after = method.mix(NodeStates(before, memory), trained, _round(network, sent, number))
        models = {
            f"{OWN}{site}": shaped(row, state.weights)
            for site, row in zip(sites, after.models, strict=True)
        }
        method_memory = {f"{_METHOD}{name}": [array] for name, array in after.memory.items()}
        memories = {**models, **method_memory, _ROUND: [np.array([number + 1])]}
        return State(mean_of(list(models.values())), memories, state.names)


def _round(network: GossipNetwork, sent: dict[str, Update], number: int) -> Round:
    now = network.round(number)
    has_sent = np.array([site in sent for site in network.names])
    arrived = now.arrived & has_sent[None, :] & has_sent[:, None]
    np.fill_diagonal(arrived, val=True)
    return replace(now, arrived=arrived, participating=now.participating & has_sent)


def mean_of(each: Sequence[Weights]) -> Weights:
    """Average models with equal weights.

    Args:
        each: weights of each model, at least one.

    Returns:
        The mean, in the shapes and types of the first model.
    """
    return mean(each, [1 / len(each)] * len(each), each[0])

"""Peer-to-peer learning: every site has its own model and mixes it with its neighbours' models."""

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

OWN, _METHOD, _ROUND = "own.", "method.", "round"
"""Names in ``State.memory``: prefix of the sites' models, prefix of the gossip method's arrays, and
the number of rounds so far.
"""


@STRATEGIES.register(GOSSIP)
@dataclass(frozen=True)
class Gossip(Strategy):
    """Sites train models of their own and mix them with those of their neighbours; no server.

    In each round site i trains its model w_i and then applies the gossip method of ``config``, such
    as w_i <- sum_j W_ij w_j over its neighbours j and itself. The weights of the ``State`` are the
    mean of all models; a centre that took no part in the training gets them.

    In FLARE every site runs this class by itself and receives the updates of its neighbours only.
    There the site's own model in the state is right, the models of other sites are not.

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

    personal, alone_suffices = True, True
    config: GossipConfig = GossipConfig()
    everyone: tuple[str, ...] = ()

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """See ``Strategy``. All sites start from the same weights."""
        own = {f"{OWN}{site}": state.weights for site in sites}
        return State(state.weights, {**own, _ROUND: [np.zeros(1, np.int64)]}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """See ``Strategy``. The site's own model."""
        return state.memory.get(f"{OWN}{site}", state.weights)

    def peers(self, sites: tuple[str, ...]) -> GossipNetwork:
        """Return the network of a training.

        Args:
            sites: names of the sites of the training.

        Raises:
            BadInput: the topology file cannot be read or names an unknown node.
        """
        away = {name: rounds for name, rounds in self.config.away.items() if name in sites}
        slow = {name: share for name, share in self.config.slow.items() if name in sites}
        return GossipNetwork(
            replace(self.config, away=away, slow=slow), sites, everyone=self.everyone
        )

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """See ``Strategy``. One round of the gossip method.

        A site that is away or sent no update keeps its model, and no neighbour receives it.
        """
        if not any(name.startswith(OWN) for name in state.memory):
            state = self.begin(state, tuple(u.centre for u in updates))
        sites = tuple(sorted(n.removeprefix(OWN) for n in state.memory if n.startswith(OWN)))
        number = int(state.memory[_ROUND][0][0])
        before = np.stack([flat(self.weights_for(state, site)) for site in sites])
        peers = self.peers(sites)
        there = dict(zip(sites, peers.participating(number), strict=True))
        sent = {update.centre: update for update in updates if there[update.centre]}
        trained = before.copy()
        for row, site in enumerate(sites):
            if site in sent:
                trained[row] = flat(sent[site].weights)
        memory = {
            k.removeprefix(_METHOD): v[0] for k, v in state.memory.items() if k.startswith(_METHOD)
        }
        after = NodeStates(trained)
        if len(sites) > 1:
            method = open_method(self.config.method, self.config.options)
            after = method.mix(NodeStates(before, memory), trained, _round(peers, sent, number))
        models = {
            f"{OWN}{site}": shaped(row, state.weights)
            for site, row in zip(sites, after.models, strict=True)
        }
        kept = {f"{_METHOD}{name}": [array] for name, array in after.memory.items()}
        memories = {**models, **kept, _ROUND: [np.array([number + 1])]}
        mean = mean_of(list(models.values()))
        return State(mean, memories, state.names)


def _round(peers: GossipNetwork, sent: dict[str, Update], number: int) -> Round:
    now = peers.round(number)
    here = np.array([site in sent for site in peers.names])
    arrived = now.arrived & here[None, :] & here[:, None]
    np.fill_diagonal(arrived, val=True)
    return replace(now, arrived=arrived, participating=now.participating & here)


def mean_of(each: Sequence[Weights]) -> Weights:
    """Return the mean of models, all with the same weight, in the types of the first.

    Args:
        each: weights of each model, at least one.
    """
    return mean(each, [1 / len(each)] * len(each), each[0])


def check_graphs(strategy: Strategy, trainings: Sequence[tuple[str, ...]]) -> None:
    """Check that the topology and the gossip method fit the sites of every training.

    Args:
        strategy: the strategy of the run; any other than ``Gossip`` passes.
        trainings: names of the sites of each training, those without one centre included.

    Raises:
        BadInput: the topology is impossible with the sites of a training, or the method cannot run
            on it.
    """
    if not isinstance(strategy, Gossip):
        return
    for sites in (s for s in trainings if len(s) > 1):
        try:
            peers = strategy.peers(sites)
            peers.round(0)
            open_method(strategy.config.method, strategy.config.options).check(peers.heard)
        except BadInput as error:
            raise BadInput(f"gossip, for a training of {', '.join(sites)}: {error}") from None

"""Learning peer to peer: every site has a model of its own and averages with its neighbours."""

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


@STRATEGIES.register(GOSSIP)
@dataclass(frozen=True)
class Gossip(Strategy):
    """The topology and method of ``config``, among all that take part or some of ``everyone``.

    A centre that never took part gets the mean of all. On FLARE each site runs this for itself and
    knows its neighbours' updates alone: then its own model is right, and those of others are not.
    """

    personal, alone_suffices = True, True
    config: GossipConfig = GossipConfig()
    everyone: tuple[str, ...] = ()

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """All sites from the same weights."""
        own = {f"{OWN}{site}": state.weights for site in sites}
        return State(state.weights, {**own, _ROUND: [np.zeros(1, np.int64)]}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """The site's own model."""
        return state.memory.get(f"{OWN}{site}", state.weights)

    def peers(self, sites: tuple[str, ...]) -> GossipNetwork:
        """The graph of a training's sites."""
        away = {name: rounds for name, rounds in self.config.away.items() if name in sites}
        slow = {name: share for name, share in self.config.slow.items() if name in sites}
        return GossipNetwork(
            replace(self.config, away=away, slow=slow), sites, everyone=self.everyone
        )

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """One round of the method; who is away or sent nothing stays as it was, heard by nobody."""
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
    """The plain mean of sites' models, in their types."""
    return mean(each, [1 / len(each)] * len(each), each[0])


def check_graphs(strategy: Strategy, trainings: Sequence[tuple[str, ...]]) -> None:
    """BadInput where the topology cannot have the sites of a training, one left out included."""
    if not isinstance(strategy, Gossip):
        return
    for sites in (s for s in trainings if len(s) > 1):
        try:
            peers = strategy.peers(sites)
            peers.round(0)
            open_method(strategy.config.method, strategy.config.options).check(peers.heard)
        except BadInput as error:
            raise BadInput(f"gossip, for a training of {', '.join(sites)}: {error}") from None

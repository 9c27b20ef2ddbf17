"""Methods that streams are learned with: a learner, and how its nodes share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import EXCHANGES
from flame.streams.learners.learner import LEARNERS, Learner, Pace, open_learner
from flame.streams.networks.base import Network
from flame.streams.stream import Stream


@dataclass(frozen=True)
class MethodConfig:
    """``learner`` with its ``options``, and an ``exchange``: alone, server or gossip.

    ``strategy`` is that of the server, with ``strategy_options``; the gossip method is that of
    [gossip]. ``annealed``: by training.annealed or by itself.
    """

    learner: str = "fine-tune"
    exchange: str = "gossip"
    options: dict[str, Any] = field(default_factory=dict)
    strategy: str = "fedavg"
    strategy_options: dict[str, Any] = field(default_factory=dict)
    annealed: bool = False

    def __post_init__(self) -> None:
        learner, _ = LEARNERS[self.learner], EXCHANGES[self.exchange]
        used = learner.mixes and self.exchange == "server"
        if (self.strategy != "fedavg" or self.strategy_options) and not used:
            raise BadInput(
                f"methods.strategy: learner '{self.learner}' with exchange '{self.exchange}' would "
                "not use it; it is for a learner of one model a node with exchange 'server'"
            )


KNOWN: Mapping[str, MethodConfig] = {
    "local": MethodConfig(exchange="alone"),
    "local-scratch": MethodConfig("scratch", "alone"),
    "local-window": MethodConfig("window", "alone"),
    "local-all": MethodConfig("window", "alone", {"steps": 0}),
    "local-replay": MethodConfig("replay", "alone"),
    "fedavg": MethodConfig(exchange="server"),
    "fedavg-window": MethodConfig("window", "server"),
    "fedprox": MethodConfig(exchange="server", strategy="fedprox"),
    "fedadam": MethodConfig(exchange="server", strategy="fedadam"),
    "adaptive-fedavg": MethodConfig("adaptive-fedavg", "server"),
    "flash": MethodConfig("early-stop", "server", strategy="flash"),
    "ifca": MethodConfig("ifca", "server"),
    "feddrift": MethodConfig("feddrift", "server"),
    "feddrift-apart": MethodConfig("feddrift", "server", {"apart": True}),
    "feddrift-eager": MethodConfig("feddrift", "server", {"linkage": False}),
    "oracle-central": MethodConfig("oracle", "server"),
    "gossip": MethodConfig(),
    "gossip-annealed": MethodConfig(annealed=True),
    "gossip-window": MethodConfig("window"),
    "gossip-decay": MethodConfig("decay"),
    "gossip-ewc": MethodConfig("ewc"),
    "gossip-lwf": MethodConfig("lwf"),
    "gossip-replay": MethodConfig("replay"),
    "gossip-a-gem": MethodConfig("a-gem"),
    "gossip-der++": MethodConfig("der++"),
    "gossip-ifca": MethodConfig("ifca"),
    "reset-and-gate": MethodConfig("reset-and-gate"),
    "evidence-gossip": MethodConfig("evidence-gossip", annealed=True),
    "oracle": MethodConfig("oracle"),
    "oracle-annealed": MethodConfig("oracle", annealed=True),
}
"""Methods by name, with their usual options."""


def chosen(compare: tuple[str, ...], own: Mapping[str, MethodConfig]) -> dict[str, MethodConfig]:
    """Known methods to ``compare``, and one's ``own``."""
    for name in compare:
        if name not in KNOWN and name not in own:
            raise BadInput(f"unknown method '{name}': {nearest(name, list(KNOWN))}")
    return {**{name: KNOWN[name] for name in compare if name not in own}, **own}


def begin(
    method: MethodConfig,
    stream: Stream,
    network: Network,
    gossip: GossipConfig,
    pace: Pace,
    seed: int,
) -> Learner:
    """A learner that is ready for the first batch."""
    exchange = EXCHANGES[method.exchange]
    learner = open_learner(method.learner, method.options)
    if learner.is_told and (stream.concept < 0).any():
        raise BadInput(f"{method.learner} is told the true concept, which nobody knows here")
    peers = GossipNetwork(gossip, stream.nodes, stream.links)
    mixes = method.strategy if method.exchange == "server" else gossip.method
    options = method.strategy_options if method.exchange == "server" else gossip.options
    pace = replace(pace, annealed=pace.annealed or method.annealed)
    learner.begin(network, exchange(peers, mixes, options, pace.rate), pace, seed)
    return learner

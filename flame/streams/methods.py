"""Methods that learn from streams: a learner, and how its nodes exchange their models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.federation.gossip.method import GOSSIP, PER_SITE
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import EXCHANGES
from flame.streams.learners.learner import LEARNERS, Learner, Pace, open_learner
from flame.streams.networks.base import Network
from flame.streams.networks.metered import Metered
from flame.streams.nodes.at_server import AtServer
from flame.streams.stream import Stream
from flame.streams.transport import Transport


@dataclass(frozen=True)
class MethodConfig(Section):
    """A learner, and how its nodes exchange their models."""

    learner: str = "fine-tune"
    """Name of a stream learner."""
    exchange: str = "gossip"
    """How nodes exchange models: ``alone``, ``server`` or ``gossip`` (by ``gossip.method``)."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the learner."""
    strategy: str = "fedavg"
    """Aggregation strategy of the server."""
    strategy_options: dict[str, Any] = field(default_factory=dict)
    """Options of the strategy."""
    annealed: bool = False
    """Whether the learning rate falls to 0 over the rounds of a step; ``training.annealed`` sets
    this for all methods."""

    def rules(self) -> Iterator[Rule]:
        """Learner and exchange exist, and a strategy is given only where it is used."""
        learner = LEARNERS[self.learner]
        EXCHANGES[self.exchange]
        used = learner.mixes and self.exchange == "server"
        yield (
            used or (self.strategy == "fedavg" and not self.strategy_options),
            f"methods.strategy: learner '{self.learner}' with exchange '{self.exchange}' would "
            "not use it; a strategy needs a learner with one model per node and exchange 'server'",
        )


MAJORITY = "majority"
"""Name of the trivial rule, which every run has beside its methods."""
KNOWN: Mapping[str, MethodConfig] = {
    MAJORITY: MethodConfig("majority", "alone"),
    "local": MethodConfig(exchange="alone"),
    "local-scratch": MethodConfig("scratch", "alone"),
    "local-window": MethodConfig("window", "alone"),
    "local-all": MethodConfig("window", "alone", {"steps": 0}),
    "local-replay": MethodConfig("replay", "alone"),
    "fedavg": MethodConfig(exchange="server"),
    "fedavg-window": MethodConfig("window", "server"),
    "fedavg-all": MethodConfig("window", "server", {"steps": 0}),
    "fedprox": MethodConfig(exchange="server", strategy="fedprox"),
    "fedadam": MethodConfig(exchange="server", strategy="fedadam"),
    "adaptive-fedavg": MethodConfig("adaptive-fedavg", "server"),
    "flash": MethodConfig("early-stop", "server", strategy="flash"),
    "ifca": MethodConfig("ifca", "server"),
    "fedrc": MethodConfig("fedrc", "server"),
    "feddrift": MethodConfig("feddrift", "server"),
    "feddrift-apart": MethodConfig("feddrift", "server", {"apart": True}),
    "feddrift-eager": MethodConfig("feddrift", "server", {"linkage": False}),
    "dcfcl": MethodConfig("dcfcl", "server"),
    "oracle-central": MethodConfig("oracle", "server"),
    "gossip": MethodConfig(),
    "gossip-annealed": MethodConfig(annealed=True),
    "gossip-window": MethodConfig("window"),
    "gossip-all": MethodConfig("window", options={"steps": 0}),
    "gossip-all-annealed": MethodConfig("window", options={"steps": 0}, annealed=True),
    "gossip-adaptive-window": MethodConfig("adaptive-window"),
    "gossip-decay": MethodConfig("decay"),
    "gossip-ewc": MethodConfig("ewc"),
    "gossip-lwf": MethodConfig("lwf"),
    "gossip-replay": MethodConfig("replay"),
    "gossip-a-gem": MethodConfig("a-gem"),
    "gossip-der++": MethodConfig("der++"),
    "gossip-ifca": MethodConfig("ifca"),
    "gossip-fedrc": MethodConfig("fedrc"),
    "facade": MethodConfig("facade"),
    "dac": MethodConfig("dac"),
    "reset-and-gate": MethodConfig("reset-and-gate"),
    "evidence-gossip": MethodConfig("evidence-gossip", annealed=True),
    "oracle": MethodConfig("oracle"),
    "oracle-annealed": MethodConfig("oracle", annealed=True),
}
"""Built-in methods by name."""


def chosen(compare: tuple[str, ...], own: Mapping[str, MethodConfig]) -> dict[str, MethodConfig]:
    """Choose the methods of a run.

    Args:
        compare: names of built-in methods, or of ``own`` ones.
        own: further methods by name; each replaces the built-in method of its name.

    Returns:
        The methods by name, built-in ones first.

    Raises:
        BadInput: a name in ``compare`` is unknown.

    Example:
        >>> chosen(("local",), {})["local"].exchange
        'alone'
    """
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
    """Open a learner, and prepare it for the first batch.

    Args:
        method: the method.
        stream: the stream to learn from.
        network: the network to train.
        gossip: topology and gossip method.
        pace: training of a step.
        seed: decides the initial weights and the random draws of the learner.

    Returns:
        The learner, with its network, exchange and initial weights.

    Raises:
        BadInput: an option is wrong, the method needs true concepts that the stream does not have,
            or the exchange cannot use the strategy or the gossip method.
    """
    if LEARNERS[method.learner].is_oracle and (stream.concept < 0).any():
        raise BadInput(
            f"learner '{method.learner}' needs the true concepts, which this stream does not have; "
            "leave it out"
        )
    peers = GossipNetwork(gossip, stream.nodes, stream.links)
    return begin_among(method, peers, network, pace, seed)


def begin_among(
    method: MethodConfig,
    peers: GossipNetwork,
    network: Network,
    pace: Pace,
    seed: int,
    transport: Transport | None = None,
) -> Learner:
    """Open a learner for all nodes of a network, or for one of them.

    Args:
        method: the method.
        peers: the network of all nodes.
        network: the network to train.
        pace: training of a step.
        seed: decides the initial weights and the random draws of the learner.
        transport: carries the messages of one node; None: all nodes are in this process.

    Returns:
        The learner, with its network, exchange and initial weights.

    Raises:
        BadInput: an option is wrong, the exchange cannot use the strategy or the gossip method, or
            the method does not work with nodes in processes of their own.
    """
    learner = open_learner(method.learner, method.options)
    exchange = EXCHANGES[method.exchange]
    if transport:
        check_distributed(method, peers.config.method)
        exchange = AtServer if method.exchange == "server" else exchange
    at_server = method.exchange == "server"
    name = method.strategy if at_server else peers.config.method
    options = method.strategy_options if at_server else peers.config.options
    pace = replace(pace, annealed=pace.annealed or method.annealed)
    opened = exchange(peers, name, options, pace.rate, transport)
    learner.begin(Metered(network), opened, pace, seed)
    return learner


def check_distributed(method: MethodConfig, gossip: str) -> None:
    """Check that a method works with nodes in processes of their own.

    Args:
        method: the method.
        gossip: name of the gossip method of the run.

    Raises:
        BadInput: it does not; the message says what does.
    """
    learner = LEARNERS[method.learner]
    if not learner.distributed:
        known = ", ".join(name for name in sorted(LEARNERS) if LEARNERS[name].distributed)
        raise BadInput(
            f"learner '{method.learner}' needs all nodes in one process; at sites of their own "
            f"work {known}"
        )
    if method.exchange == "server" and not learner.at_server:
        raise BadInput(
            f"learner '{method.learner}' works at sites of their own with exchange 'gossip' or "
            "'alone' only"
        )
    if method.exchange == GOSSIP and learner.mixes and gossip not in PER_SITE:
        raise BadInput(
            f"gossip.method '{gossip}' needs all nodes in one process; at sites of their own work "
            f"{', '.join(PER_SITE)}"
        )

"""Configuration of a stream run, and the functions that open its stream and its network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Len

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.federation.gossip.network import PLACES, GossipConfig, GossipNetwork
from flame.federation.gossip.topology import CHANGING
from flame.streams.detectors import DETECTORS
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, MAJORITY, MethodConfig, chosen
from flame.streams.networks.base import Network
from flame.streams.networks.mlp import MLP
from flame.streams.sources.mri import MRIConfig, mri_stream
from flame.streams.sources.schedules import ALONG_GRAPH, ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.stream import table_stream
from flame.streams.stream import Stream

_SOURCE_KEYS = {
    "synthetic": "synthetic.source",
    "table": "table.files",
    "mri": "mri.hospitals",
    "schedule": "synthetic.source",
}
"""The key that chooses the source of rows which each section describes."""


@dataclass(frozen=True)
class StreamConfig(Section):
    """Configuration of ``flame stream``: one source of rows, a network, and methods to compare."""

    synthetic: SyntheticConfig = SyntheticConfig()
    """Synthetic concepts; used where ``synthetic.source`` is set."""
    table: TableConfig = TableConfig()
    """Tables with a time and a site; used where ``table.files`` is set."""
    mri: MRIConfig = MRIConfig()
    """Simulated MRI cohorts; used where ``mri.hospitals`` is above 0."""
    schedule: ScheduleConfig = ScheduleConfig()
    """When each node of a synthetic stream changes its concept."""
    gossip: GossipConfig = GossipConfig()
    """Topology and method of learning peer to peer."""
    training: Pace = Pace()
    """Training of every step of the stream."""
    compare: tuple[str, ...] = ("local", "fedavg", "gossip", "evidence-gossip")
    """Names of built-in methods to run."""
    methods: dict[str, MethodConfig] = field(default_factory=dict)
    """Further methods to run, by name."""
    detectors: tuple[str, ...] = ("adwin", "page-hinkley")
    """Drift detectors that watch the errors of each node."""
    network: Literal["table", "image"] = "table"
    """A network with one hidden layer, or a convolutional one for square images."""
    hidden: Annotated[int, Ge(1)] = 20
    """Hidden units of the network ``table``; filters of the first convolution of ``image``."""
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1)] = (0, 1, 2, 3, 4)
    """Every method runs once for each seed, which decides the rows and the initial weights."""

    def rules(self) -> Iterator[Rule]:
        """One source, no section of another source, and methods and detectors that exist."""
        sources = {
            "synthetic.source": self.synthetic.source,
            "table.files": self.table.files,
            "mri.hospitals": self.mri.hospitals,
        }
        yield (
            sum(map(bool, sources.values())) == 1,
            "set exactly one of synthetic.source, table.files and mri.hospitals",
        )
        for name, key in _SOURCE_KEYS.items():
            section = getattr(self, name)
            yield (
                sources[key] or section == type(section)(),
                f"[{name}] has an effect only where {key} is set: remove [{name}], or set {key} as "
                "the only source",
            )
        yield len(set(self.seeds)) == len(self.seeds), "seeds: name each seed once"
        for name in self.detectors:
            DETECTORS[name]  # raises BadInput where the name is unknown
        yield (
            chosen(self.compare, self.methods),
            "compare, methods: name at least one method",
        )
        for name in self.methods:
            yield (
                re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}", name),
                f"methods.{name}: a name has at most 60 letters, digits and characters of _ . + -, "
                "and begins with a letter or a digit",
            )

    @property
    def all_methods(self) -> dict[str, MethodConfig]:
        """Every method of the run by name, built-in ones first; the trivial rule is the last."""
        methods = chosen(self.compare, self.methods)
        return methods if MAJORITY in methods else {**methods, MAJORITY: KNOWN[MAJORITY]}


def open_stream(config: StreamConfig, seed: int) -> Stream:
    """Open the stream of a seed.

    Args:
        config: the configuration of the run.
        seed: decides the rows and the label noise.

    Returns:
        The stream. Its drift schedule is the same for every seed.

    Raises:
        BadInput: the topology needs places that the source does not have, or it changes over
            rounds where drift spreads along it.
    """
    if config.table.files:
        return table_stream(config.table, config.gossip.degree, seed)
    if config.gossip.topology == PLACES:
        raise BadInput("gossip.topology = 'places' needs table.places")
    if config.mri.hospitals:
        return mri_stream(config.mri, seed)
    schedule = config.schedule
    links = None
    if schedule.spread == ALONG_GRAPH:
        if config.gossip.topology in CHANGING:
            raise BadInput("schedule.spread = 'along-graph' needs a topology that never changes")
        names = tuple(f"node-{k + 1}" for k in range(schedule.nodes))
        links = GossipNetwork(config.gossip, names).links(0)
    plan = plan_of(schedule, links, config.gossip.seed)
    return synthetic_stream(config.synthetic, plan, seed)


def open_network(config: StreamConfig, stream: Stream) -> Network:
    """Open the network that every method trains.

    Args:
        config: the configuration of the run.
        stream: the stream, whose features and classes decide the size of the network.

    Returns:
        The network; it holds no weights.

    Raises:
        BadInput: the network is for images, and rows of the stream are not square images.
    """
    if config.network == "image":
        from flame.streams.networks.cnn import ImageNetwork

        return ImageNetwork(stream.shape[0], config.hidden, len(stream.classes))
    return MLP(stream.shape[0], config.hidden, len(stream.classes))

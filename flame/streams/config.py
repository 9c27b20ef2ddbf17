"""What a stream run is: where rows come from, when they drift, who learns, and how."""

import re
from dataclasses import dataclass, field

from flame.core.errors import BadInput
from flame.federation.gossip.network import PLACES, GossipConfig, GossipNetwork
from flame.federation.gossip.topology import CHANGING
from flame.streams.detectors import DETECTORS
from flame.streams.learners.learner import Pace
from flame.streams.methods import MethodConfig, chosen
from flame.streams.networks.base import Network
from flame.streams.networks.mlp import MLP
from flame.streams.sources.mri import MRIConfig, mri_stream
from flame.streams.sources.schedules import ALONG_GRAPH, ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.stream import table_stream
from flame.streams.stream import Stream

NETWORKS = ("table", "image")
_SOURCES = ("synthetic", "table", "mri")
_SECTIONS = {**{name: name for name in _SOURCES}, "schedule": "synthetic"}
"""Sections, and the source that each is for."""


@dataclass(frozen=True)
class StreamConfig:
    """One source (``synthetic`` with its ``schedule``, ``table``, ``mri``), and who learns from it.

    ``compare`` names known methods, ``methods`` are own ones. Everything is repeated for each of
    ``seeds``, which decide what is drawn and the first weights. ``detectors`` watch each node's
    errors. ``network`` is table (one layer of ``hidden`` units) or image (convolutions of so many
    filters, on square images).
    """

    synthetic: SyntheticConfig = SyntheticConfig()
    table: TableConfig = TableConfig()
    mri: MRIConfig = MRIConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    gossip: GossipConfig = GossipConfig()
    training: Pace = Pace()
    compare: tuple[str, ...] = ("local", "fedavg", "gossip", "evidence-gossip")
    methods: dict[str, MethodConfig] = field(default_factory=dict)
    detectors: tuple[str, ...] = ("adwin", "page-hinkley")
    network: str = "table"
    hidden: int = 20
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        sources = [self.synthetic.source, self.table.files, self.mri.hospitals]
        if sum(map(bool, sources)) != 1:
            raise BadInput("set exactly one of synthetic.source, table.files and mri.hospitals")
        for name, set_by in _SECTIONS.items():
            used = sources[_SOURCES.index(set_by)]
            if not used and getattr(self, name) != type(getattr(self, name))():
                raise BadInput(f"[{name}] goes with [{set_by}], which is not where rows come from")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds or min(self.seeds) < 0:
            raise BadInput("seeds: at least one, each once, 0 or more")
        if self.network not in NETWORKS:
            raise BadInput(f"network: one of {', '.join(NETWORKS)}")
        if self.hidden < 1:
            raise BadInput("hidden: 1 or more")
        for name in self.detectors:
            DETECTORS[name]
        if not self.all_methods:
            raise BadInput("compare, methods: at least one")
        for name in self.methods:
            if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}", name):
                raise BadInput(f"methods.{name}: at most 60 letters, digits and _ . + - as a name")

    @property
    def all_methods(self) -> dict[str, MethodConfig]:
        """Every method by name."""
        return chosen(self.compare, self.methods)


def open_stream(config: StreamConfig, seed: int) -> Stream:
    """The stream of a seed; what drifts when is the same for every seed."""
    if config.table.files:
        return table_stream(config.table, config.gossip.degree, seed)
    if config.gossip.topology == PLACES:
        raise BadInput("gossip.topology = 'places' needs table.places")
    if config.mri.hospitals:
        return mri_stream(config.mri, seed)
    schedule, links = config.schedule, None
    if schedule.spread == ALONG_GRAPH:
        if config.gossip.topology in CHANGING:
            raise BadInput("schedule.spread = 'along-graph' needs a topology that stays as it is")
        names = tuple(f"node-{k + 1}" for k in range(schedule.nodes))
        links = GossipNetwork(config.gossip, names).links(0)
    plan = plan_of(schedule, links, config.gossip.seed)
    return synthetic_stream(config.synthetic, plan, seed)


def open_network(config: StreamConfig, stream: Stream) -> Network:
    """The network that every method learns."""
    if config.network == NETWORKS[1]:
        from flame.streams.networks.cnn import ImageNetwork

        return ImageNetwork(stream.shape[0], config.hidden, len(stream.classes))
    return MLP(stream.shape[0], config.hidden, len(stream.classes))

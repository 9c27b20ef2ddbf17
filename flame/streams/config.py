"""Configuration of a stream run, and the functions that open its stream and its network."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Len

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.federation.gossip.network import FILE, PLACES, GossipConfig, GossipNetwork
from flame.federation.gossip.topology import CHANGING, near
from flame.federation.mailbox import SERVER
from flame.streams.detectors import DETECTORS
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, MAJORITY, MethodConfig, chosen
from flame.streams.networks.base import Network
from flame.streams.networks.mlp import MLP
from flame.streams.shift_watch import AlarmConfig
from flame.streams.sources.mri import MRIConfig, mri_stream
from flame.streams.sources.schedules import ALONG_GRAPH, ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.features import feature_names
from flame.streams.sources.tables.outcomes import outcome_classes
from flame.streams.sources.tables.stream import start_of, table_stream
from flame.streams.stream import Frame, Stream

_SOURCE_KEYS = {
    "synthetic": "synthetic.source",
    "table": "table.files",
    "mri": "mri.hospitals",
    "schedule": "synthetic.source",
}
"""The key that chooses the source of rows which each section describes."""


@dataclass(frozen=True)
class SitesConfig(Section):
    """Nodes in processes of their own, which know each other by messages alone."""

    engine: Literal["in-process", "flare"] = "in-process"
    """``flare``: every node is a process of NVIDIA FLARE; models and figures are the same to the
    bit as long as no message is lost."""
    timeout_s: Annotated[float, Gt(0)] = 3600.0
    """Longest time in s that a node waits for a message of another one."""
    heartbeat_timeout_s: Annotated[float, Gt(0)] = 10.0
    """Time in s without a message, or a response, after which a node goes on without another."""
    names: tuple[str, ...] = ()
    """Sites of a real federation that are the nodes; empty: all that are connected."""
    steps: Annotated[int, Ge(0)] = 0
    """Number of steps at the sites of a real federation."""
    min_sites: Annotated[int, Ge(0)] = 0
    """Number of these sites with which the stream goes on once the others have been waited for;
    0: all. A site that comes back goes on with the others."""
    follow: bool = False
    """Whether the tables of these sites grow: a step begins once its time is over, and its batch is
    what has arrived since the step before."""


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
    alarms: AlarmConfig = AlarmConfig()
    """How often a false alarm is accepted."""
    detectors: tuple[str, ...] = ("adwin", "page-hinkley")
    """Drift detectors that watch the errors of each node."""
    network: Literal["table", "image"] = "table"
    """A network with one hidden layer, or a convolutional one for square images."""
    hidden: Annotated[int, Ge(1)] = 20
    """Hidden units of the network ``table``; filters of the first convolution of ``image``."""
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1)] = (0, 1, 2, 3, 4)
    """Every method runs once for each seed, which decides the rows and the initial weights."""
    sites: SitesConfig = SitesConfig()
    """Nodes in processes of their own."""

    def rules(self) -> Iterator[Rule]:
        """One source, no section of another source, and methods and detectors that exist."""
        sources = {
            "synthetic.source": self.synthetic.source,
            "table.files": self.table.files,
            "mri.hospitals": self.mri.hospitals,
            "sites.steps": self.sites.steps,
        }
        yield (
            sum(map(bool, sources.values())) == 1,
            "set exactly one of synthetic.source, table.files, mri.hospitals and sites.steps",
        )
        for name, key in _SOURCE_KEYS.items():
            section = getattr(self, name)
            yield (
                sources[key]
                or section == type(section)()
                or (name == "table" and self.sites.steps > 0),
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
    if config.sites.steps:
        raise BadInput("sites.steps: the rows are at the sites; run it with flame submit")
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


def frame_at_sites(config: StreamConfig) -> Frame:
    """Describe the stream of sites of a real federation, from the configuration alone.

    Args:
        config: the configuration, with ``sites.names``.

    Returns:
        What every node knows.

    Raises:
        BadInput: the configuration leaves open what a site cannot know of the others.
    """
    table, sites = config.table, config.sites
    missing = {
        "table.outcome and table.features": not (table.outcome and table.features),
        "table.above, below_quantile or positive": not outcome_classes(table),
        "table.time_columns": not table.time_columns,
        "table.start": not table.start,
        "table.scale = 'node'": table.scale != "node",
        "sites.steps of 2 or more": sites.steps < 2,
        "2 or more sites": len(sites.names) < 2,
    }
    lacks = [key for key, lacking in missing.items() if lacking]
    if lacks:
        raise BadInput(
            f"a stream at sites needs {', '.join(lacks)}: no site knows the rows of the others"
        )
    if table.files or table.site_column or table.deal or table.columns:
        raise BadInput(
            "table.files, columns, site_column and deal do not go with a stream at sites: each "
            "reads the table of its own flame join, with a header"
        )
    names = tuple(sorted(sites.names))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name) or name == SERVER:
            raise BadInput(f"sites.names: '{name}' is no name of a site")
    if len(set(names)) < len(names):
        raise BadInput("sites.names: name each site once")
    if sites.min_sites > len(names):
        raise BadInput(f"sites.min_sites: there are {len(names)} sites")
    gossip = config.gossip
    if gossip.topology == FILE:
        raise BadInput("gossip.file is on one machine alone; give another gossip.topology")
    if gossip.loss or gossip.away or gossip.slow:
        raise BadInput("gossip.loss, away and slow simulate what real sites do anyway; remove them")
    places = [table.places.get(name, ()) for name in names]
    links = None
    if gossip.topology == PLACES:
        if not all(places):
            raise BadInput("table.places: latitude and longitude of a site are missing")
        latitude, longitude = np.array(places, float).T
        links = near(latitude, longitude, gossip.degree)
    if sites.follow:
        _check_clock(table)
    classes = outcome_classes(table)
    features = feature_names(table)
    return Frame(names, sites.steps, (len(features),), classes, links, features)


def _check_clock(table: TableConfig) -> None:
    """Check that steps of a table that grows can be told by the clock, which shows dates."""
    with suppress(ValueError):
        float(table.start)
        raise BadInput("sites.follow needs times that are dates, and table.start as a date")
    start_of(table, dated=True)


def open_network(config: StreamConfig, stream: Stream | Frame) -> Network:
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

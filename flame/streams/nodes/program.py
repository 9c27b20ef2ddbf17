"""The program of one node of a stream, and that of the server, whatever carries their messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from flame.core.errors import FlameError
from flame.core.files import atomic_path
from flame.federation.gossip.method import GOSSIP
from flame.federation.gossip.network import GossipNetwork
from flame.federation.gossip.topology import CHANGING
from flame.federation.mailbox import Neighbours, Post
from flame.federation.privacy.site_policy import SitePolicy
from flame.federation.run_files import DRIFT, MODELS
from flame.streams.arrivals import Arrivals, ArrivalWatch
from flame.streams.config import StreamConfig, frame_at_sites, open_network, open_stream
from flame.streams.learners.learner import LEARNERS
from flame.streams.methods import MethodConfig, begin_among
from flame.streams.nodes.at_server import serve_rounds
from flame.streams.nodes.checkpoints import Checkpoints
from flame.streams.nodes.leaving import MOST, Leaving
from flame.streams.nodes.posted import Posted
from flame.streams.nodes.site_table import SiteTable
from flame.streams.prequential import Prequential
from flame.streams.server import Server, ServerPart
from flame.streams.stream import Batch, Frame, Stream

STEPS = "steps"
"""Folder with one table per method and seed."""
CHECKPOINTS = "checkpoints"
"""Folder of what is needed to go on."""
_UNKNOWN = (np.array([-1]), np.zeros(1, bool))
"""Concept and change of a node whose concepts nobody knows."""
Progress = Callable[[int, int], None]
"""Called with the steps done, and their total."""


def steps_file(folder: Path, method: str, seed: int) -> Path:
    """Return the file with the rows of a method and a seed.

    Args:
        folder: run folder, or that of a node.
        method: name of the method.
        seed: the seed.

    Returns:
        Path of the CSV file.
    """
    return folder / STEPS / f"{method}.seed-{seed}.csv"


class Source(Protocol):
    """The batches of one node, in order; it is stored with a run and resumed with it."""

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        ...

    def arrived(self, step: int) -> Arrivals:
        """Return what arrived in a step, with or without outcomes."""
        ...

    def most_of_a_patient(self, step: int) -> int:
        """Return the largest number of rows that a patient has in the batch of a step."""
        ...

    def resume(self, earlier: Any) -> None:
        """Go on from a stored state of this source."""
        ...


class Replay:
    """The batches of a stream that is known as a whole.

    Args:
        stream: the stream of one node.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getstate__(self) -> dict[str, object]:
        """Return what is stored: nothing."""
        return {}

    def batch(self, step: int) -> Batch:
        """See ``Source``."""
        return self.stream.batches[step]

    def arrived(self, step: int) -> Arrivals:
        """See ``Source``."""
        return self.stream.arrived(step, 0)

    def most_of_a_patient(self, step: int) -> int:
        """See ``Source``: every row counts as a patient."""
        return 1

    def resume(self, earlier: "Replay") -> None:
        """See ``Source``."""


class _Program:
    """All methods and seeds of a run, step by step, so that each sees a batch when it arrives."""

    def __init__(self, config: StreamConfig, frame: Frame, folder: Path) -> None:
        self.config = config
        self.frame = frame
        self.kept = Checkpoints(folder / CHECKPOINTS)
        self.folder = folder
        self.jobs = [(seed, name) for seed in config.seeds for name in config.all_methods]
        self.network = open_network(config, frame)
        self.peers = GossipNetwork(config.gossip, frame.nodes, frame.links)
        self.rounds = config.training.rounds

    @property
    def total(self) -> int:
        """Number of steps."""
        return self.frame.steps

    def positions(self) -> list[int]:
        """Return the numbers of steps from which this program can go on."""
        return self.kept.positions()

    def finish(self) -> None:
        """Delete what is needed to go on, once all programs are finished."""
        self.kept.finish(self.total)


class NodeProgram(_Program):
    """Learns from the batches of one node.

    Args:
        config: the configuration of the stream.
        frame: what all nodes know of the stream.
        name: name of the node.
        source: opens the batches of this node for a seed; the same object may serve several seeds.
        folder: folder of the run at this node.
        leaving: decides what may leave the node, and logs it.
        truth: returns concept and change of this node in a step of a seed, where they are known.
    """

    def __init__(
        self,
        config: StreamConfig,
        frame: Frame,
        name: str,
        source: Callable[[int], Source],
        folder: Path,
        leaving: Leaving,
        truth: Callable[[int, int], tuple[Any, Any]] = lambda _seed, _step: _UNKNOWN,
    ) -> None:
        super().__init__(config, frame, folder)
        self.place = frame.nodes.index(name)
        self.sources = {seed: source(seed) for seed in config.seeds}
        self.watch = ArrivalWatch(name, frame.feature_names, config.alarms)
        self.leaving = leaving
        self.truth = truth
        for method in config.all_methods.values():
            leaving.check(method)

    def run(self, begin: int, neighbours: Neighbours, post: Post, progress: Progress) -> None:
        """Run all methods and seeds, and write a table and a model for each.

        Args:
            begin: number of steps from which all go on; this node passes those that it missed.
            neighbours: waits for messages.
            post: sends a message.
            progress: called after each step.

        Raises:
            FlameError: a method failed.
        """
        if begin >= self.total:
            return
        runs = self._begun(begin, neighbours, post)
        for step in range(begin, self.total):
            batches = {seed: source.batch(step) for seed, source in self.sources.items()}
            self._watch_arrivals(step)
            for (seed, name), run in zip(self.jobs, runs, strict=True):
                method = self.config.all_methods[name]
                receivers = self._receivers(method)
                self.leaving.note(name, method, step, batches[seed], receivers)
                try:
                    run.see(batches[seed], *self.truth(seed, step))
                except FlameError as error:
                    raise type(error)(f"method '{name}', seed {seed}: {error}") from None
            if step == self.total - 1:
                self._write(runs)
            self.kept.save(step + 1, (runs, self.sources, self.watch))
            progress(step + 1, self.total)

    def _begun(self, begin: int, neighbours: Neighbours, post: Post) -> list[Prequential]:
        """Return the run of each job as it was after its last step, or new ones."""
        names = self.frame.nodes
        position, state = self.kept.latest(begin)
        posted = [
            Posted(self.place, names, str(number), neighbours, post)
            for number in range(len(self.jobs))
        ]
        runs: list[Prequential]
        if state is None:
            runs = [self._new(*job, sends) for job, sends in zip(self.jobs, posted, strict=True)]
        else:
            runs, earlier, self.watch = state
            for run, sends in zip(runs, posted, strict=True):
                exchange = run.learner.exchange
                exchange.transport, exchange.own = sends, sends.own
            for seed, source in self.sources.items():
                source.resume(earlier[seed])
        if position < begin:
            for run in runs:
                run.skip(begin - position)
        return runs

    def _new(self, seed: int, name: str, posted: Posted) -> Prequential:
        pace, method = self.config.training, self.config.all_methods[name]
        learner = begin_among(method, self.peers, self.network, pace, seed, posted)
        own = (self.frame.nodes[self.place],)
        return Prequential(learner, own, self.config.detectors, self.config.alarms.level)

    def _watch_arrivals(self, step: int) -> None:
        """Look for drift in what arrived for the first seed, and write down all alarms."""
        self.watch.see(step, self.sources[self.config.seeds[0]].arrived(step))
        with atomic_path(self.folder / DRIFT) as path:
            self.watch.alarms.to_csv(path, index=False)

    def _receivers(self, method: MethodConfig) -> list[str]:
        """Return to whom what a method sends may come."""
        if method.exchange != GOSSIP:
            return ["the server"] if method.exchange == "server" else []
        others = [name for k, name in enumerate(self.frame.nodes) if k != self.place]
        if LEARNERS[method.learner].tells or self.config.gossip.topology in CHANGING:
            return others  # news are forwarded, and links change
        links = self.peers.links(0)[:, self.place]
        return [self.frame.nodes[k] for k in np.flatnonzero(links)]

    def _write(self, runs: list[Prequential]) -> None:
        for (seed, name), run in zip(self.jobs, runs, strict=True):
            rows = run.rows
            if self.leaving.policy is not None:
                rows[MOST] = rows.step.map(self.sources[seed].most_of_a_patient)
            with atomic_path(steps_file(self.folder, name, seed)) as path:
                rows.to_csv(path, index=False)
            with atomic_path(self.folder / MODELS / f"{name}.seed-{seed}.npy") as path:
                np.save(path, run.learner.models[0])

    def results(self) -> dict[str, str]:
        """Return the tables that may leave this node, as CSV by the name of their file."""
        self.leaving.figures()
        alarms = self.leaving.alarms(pd.read_csv(self.folder / DRIFT, dtype=str))
        tables = {DRIFT: alarms.to_csv(index=False)}
        for seed, method in self.jobs:
            path = steps_file(self.folder, method, seed)
            rows = pd.read_csv(path, converters={"node": str}, float_precision="round_trip")
            tables[path.name] = self.leaving.suppressed(rows).to_csv(index=False)
        return tables


class ServerProgram(_Program):
    """Combines the models of methods with a server; the others need none.

    Args:
        config: the configuration of the stream.
        frame: what all nodes know of the stream.
        folder: folder of the run at the server.
    """

    @property
    def serves(self) -> bool:
        """Whether any method has a server."""
        return any(m.exchange == "server" for m in self.config.all_methods.values())

    def run(self, begin: int, neighbours: Neighbours, post: Post, progress: Progress) -> None:
        """Serve all methods and seeds; see ``NodeProgram.run``."""
        position, state = self.kept.latest(begin)
        served: dict[int, tuple[Server, ServerPart]] = state or self._new()
        if position < begin:
            for exchange, _ in served.values():
                exchange.skip((begin - position) * self.rounds)
        for step in range(begin, self.total if served else begin):
            for number, (exchange, part) in served.items():
                rounds = (step + 1) * self.rounds
                serve_rounds(exchange, part, str(number), rounds, neighbours, post)
            self.kept.save(step + 1, served)
            progress(step + 1, self.total)

    def _new(self) -> dict[int, tuple[Server, ServerPart]]:
        """Return exchange and part of each job with a server."""
        served = {}
        for number, (seed, name) in enumerate(self.jobs):
            method, pace = self.config.all_methods[name], self.config.training
            if method.exchange != "server":
                continue
            learner = begin_among(method, self.peers, self.network, pace, seed)
            part = learner.server_part()
            if part is not None and isinstance(learner.exchange, Server):
                served[number] = (learner.exchange, part)
        return served


def node_program(
    config: str,
    name: str,
    folder: Path,
    data: str = "",
    policy: SitePolicy | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> NodeProgram:
    """Open the program of a node.

    Args:
        config: the configuration of the stream, as JSON.
        name: name of the node.
        folder: folder of the run at this node.
        data: table of the node; empty: every process reads the whole stream of the configuration.
        policy: policy of the node; None: in a simulation.
        note: writes a line to the audit log of the node.

    Returns:
        The program.

    Raises:
        BadInput: the configuration does not fit.
        Refusal: the policy of the node does not allow it.
    """
    settings = StreamConfig.from_json(config)
    if policy is None:
        streams = {seed: open_stream(settings, seed) for seed in settings.seeds}
        frame = streams[settings.seeds[0]].frame
        place = frame.nodes.index(name)
        own = {seed: stream.of(place) for seed, stream in streams.items()}
        return NodeProgram(
            settings,
            frame,
            name,
            lambda seed: Replay(own[seed]),
            folder,
            Leaving(None, note),
            lambda seed, step: (own[seed].concept[step], own[seed].changed[step]),
        )
    leaving = Leaving(policy, note)
    frame = frame_at_sites(settings)
    table = SiteTable(settings, Path(data), leaving.least, policy.patient_column)
    return NodeProgram(settings, frame, name, lambda seed: table, folder, leaving)


def server_program(config: str, folder: Path, apart: bool = False) -> ServerProgram:
    """Open the program of the server.

    Args:
        config: the configuration of the stream, as JSON.
        folder: folder of the run.
        apart: whether each node has a table of its own.

    Returns:
        The program.
    """
    settings = StreamConfig.from_json(config)
    if apart:
        return ServerProgram(settings, frame_at_sites(settings), folder)
    return ServerProgram(settings, open_stream(settings, settings.seeds[0]).frame, folder)

"""The program of one node of a stream, and that of the server, whatever carries their messages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from flame.core.errors import FlameError
from flame.core.files import atomic_path
from flame.federation.gossip.method import GOSSIP
from flame.federation.gossip.network import GossipNetwork
from flame.federation.mailbox import Neighbours, Post
from flame.federation.privacy.site_policy import SitePolicy
from flame.streams.config import StreamConfig, frame_at_sites, open_network, open_stream
from flame.streams.exchange import Server
from flame.streams.methods import MethodConfig, begin_among
from flame.streams.nodes.at_server import serve_rounds
from flame.streams.nodes.checkpoints import Checkpoints
from flame.streams.nodes.leaving import Leaving
from flame.streams.nodes.posted import Posted
from flame.streams.nodes.site_table import SiteTable, check_follow
from flame.streams.prequential import Prequential
from flame.streams.stream import Batch, Frame, Stream

STEPS = "steps"
"""Folder with one table per method and seed."""
CHECKPOINTS = "checkpoints"
"""Folder of what is needed to go on."""
_UNKNOWN = (np.array([-1]), np.zeros(1, bool))
"""Concept and change of a node whose concepts nobody knows."""
_ROUNDS = 16
"""Rounds whose links together tell to whom a node sends."""
Progress = Callable[[int, int], None]
"""Called with the steps done of all methods and seeds, and their total."""


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

    def resume(self, earlier: "Replay") -> None:
        """See ``Source``."""


class _Program:
    """Methods and seeds of a run one after another, each with the same number of steps."""

    def __init__(self, config: StreamConfig, frame: Frame, folder: Path) -> None:
        self.config = config
        self.frame = frame
        self.kept = Checkpoints(folder / CHECKPOINTS)
        self.folder = folder
        self.jobs = [(seed, name) for seed in config.seeds for name in config.all_methods]
        self.network = open_network(config, frame)
        self.peers = GossipNetwork(config.gossip, frame.nodes, frame.links)

    @property
    def total(self) -> int:
        """Number of steps of all methods and seeds."""
        return len(self.jobs) * self.frame.steps

    def position(self) -> int:
        """Return the number of steps after which this program can go on."""
        return max(self.kept.positions(), default=0)

    def _from(self, begin: int) -> Iterator[tuple[int, int, MethodConfig, int]]:
        """Yield number, seed, method and first step of each job that is not finished."""
        for number, (seed, name) in enumerate(self.jobs):
            first = max(begin - number * self.frame.steps, 0)
            if first < self.frame.steps:
                yield number, seed, self.config.all_methods[name], first


class NodeProgram(_Program):
    """Learns from the batches of one node.

    Args:
        config: the configuration of the stream.
        frame: what all nodes know of the stream.
        name: name of the node.
        source: opens the batches of this node for a seed.
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
        self.source = source
        self.leaving = leaving
        self.truth = truth
        for method in config.all_methods.values():
            leaving.check(method)

    def run(self, begin: int, neighbours: Neighbours, post: Post, progress: Progress) -> None:
        """Run all methods and seeds, and write a table for each.

        Args:
            begin: number of steps that are done, at this node and at all others.
            neighbours: waits for messages.
            post: sends a message.
            progress: called after each step.

        Raises:
            FlameError: a method failed.
        """
        for number, seed, method, first in self._from(begin):
            name = self.jobs[number][1]
            posted = Posted(self.place, self.frame.nodes, str(number), neighbours, post)
            run, source = self._begun(number, first, method, seed, posted)
            for step in range(run.step, self.frame.steps):
                batch = source.batch(step)
                self.leaving.note(name, method, step, batch, self._receivers(method))
                try:
                    run.see(batch, *self.truth(seed, step))
                except FlameError as error:
                    raise type(error)(f"method '{name}', seed {seed}: {error}") from None
                if step == self.frame.steps - 1:
                    self._write(run.rows, name, seed)
                done = number * self.frame.steps + step + 1
                self.kept.save(done, (run, source))
                progress(done, self.total)

    def _begun(
        self, number: int, first: int, method: MethodConfig, seed: int, posted: Posted
    ) -> tuple[Prequential, Source]:
        """Return the run and the batches of a job, as they were after its first steps."""
        source = self.source(seed)
        kept = self.kept.load(number * self.frame.steps + first) if first else None
        if kept is not None:
            run: Prequential = kept[0]
            run.learner.exchange.transport = posted
            source.resume(kept[1])
            return run, source
        pace = self.config.training
        learner = begin_among(method, self.peers, self.network, pace, seed, posted)
        return Prequential(learner, (self.frame.nodes[self.place],), self.config.detectors), source

    def _receivers(self, method: MethodConfig) -> list[str]:
        """Return to whom models of a method go."""
        if method.exchange != GOSSIP:
            return ["the server"] if method.exchange == "server" else []
        links = np.any([self.peers.links(k) for k in range(_ROUNDS)], axis=0)
        return [self.frame.nodes[k] for k in np.flatnonzero(links[:, self.place])]

    def _write(self, rows: pd.DataFrame, method: str, seed: int) -> None:
        with atomic_path(steps_file(self.folder, method, seed)) as path:
            rows.to_csv(path, index=False)

    def results(self) -> dict[str, str]:
        """Return the tables of steps that may leave this node, as CSV by the name of their file."""
        tables = {}
        for seed, method in self.jobs:
            path = steps_file(self.folder, method, seed)
            rows = pd.read_csv(path, converters={"node": str})
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
        for number, seed, method, first in self._from(begin):
            if method.exchange != "server":
                continue
            pace, count = self.config.training, len(self.frame.nodes)
            opened = Server(self.peers, method.strategy, method.strategy_options, pace.rate)
            start = self.network.start(np.random.default_rng([seed, 1]))
            state: Any = self.kept.load(number * self.frame.steps + first) if first else None
            exchange, before = state or (opened, np.tile(start, (count, 1)))

            def done(rounds: int, models: Any, number: int = number, at: Server = exchange) -> None:
                steps, rest = divmod(rounds, self.config.training.rounds)
                if not rest:
                    position = number * self.frame.steps + steps
                    self.kept.save(position, (at, models))
                    progress(position, self.total)

            rounds = self.frame.steps * pace.rounds
            serve_rounds(exchange, str(number), rounds, before, neighbours, post, done)


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
    check_follow(settings)
    return NodeProgram(
        settings,
        frame,
        name,
        lambda seed: SiteTable(settings, Path(data), leaving.least),
        folder,
        leaving,
    )


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

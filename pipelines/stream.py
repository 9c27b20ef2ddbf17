"""``flame stream``: test-then-train comparison of methods on a stream that drifts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput, FlameError
from flame.core.files import atomic_path, content_hash, locked, write_text
from flame.core.progress import StageProgress, silent_stages
from flame.federation.gossip.method import GOSSIP
from flame.federation.gossip.network import GossipNetwork
from flame.federation.mailbox import SERVER
from flame.federation.run_files import CONFIG, DRIFT, PEERS, STREAM_PAGE, config_text
from flame.federation.run_folder import RunFolder
from flame.pipelines.parallel import in_parallel
from flame.streams.arrivals import ArrivalWatch, joined
from flame.streams.config import StreamConfig, open_network, open_stream
from flame.streams.measures import Interval, interval, possible, summary
from flame.streams.methods import begin, check_distributed
from flame.streams.nodes.program import steps_file
from flame.streams.prequential import prequential
from flame.streams.sources.tables.config import paths_of
from flame.streams.stream import Stream

PAGE = STREAM_PAGE
"""Name of the page in a run folder."""
SUMMARY = "summary.csv"
"""Name of the table of figures in a run folder."""
_DATA = "data.txt"
"""Name of the file with the hash of the data and the names of the nodes."""
_DAMAGED = "{}: damaged; delete it and run again to continue"


@dataclass(frozen=True)
class StreamResult:
    """Result of ``flame stream``.

    Args:
        summary: figures with their intervals over seeds, by method and name.
        rows: rows of ``prequential`` of all methods and seeds, with columns method and seed.
        simulated: whether the data are simulated.
        html: path of the page.
        warnings: what to know about the data.
    """

    summary: dict[str, dict[str, Interval]]
    rows: pd.DataFrame
    simulated: bool
    html: Path
    warnings: tuple[str, ...]


def run(
    config: StreamConfig,
    out: Path,
    progress: StageProgress = silent_stages,
    jobs: int = 1,
) -> StreamResult:
    """Run every method on the stream of every seed; a second call continues a killed run.

    Args:
        config: the configuration of the stream.
        out: the run folder.
        progress: called with the stage, methods and seeds done, and the total.
        jobs: number of parallel processes.

    Returns:
        Figures, rows and the path of the page.

    Raises:
        BadInput: the configuration, the data or ``out`` cannot be used, or a table is damaged.
        FlameError: a method failed.
    """
    from flame.evaluation.pages.stream_page import render, silent_nodes

    stream = _checked(config)
    _claim(config, out, stream)
    with locked(out / ".lock"):
        pairs = [(m, s) for s, m in product(config.seeds, config.all_methods)]
        remaining = [(m, s) for m, s in pairs if not steps_file(out, m, s).exists()]
        finished = len(pairs) - len(remaining)
        progress("methods and seeds", finished, len(pairs))
        if remaining and config.sites.engine == "flare":
            _run_nodes(config, out, stream.nodes, progress)
            remaining = []
        for done, _ in enumerate(_run_all(config, out, remaining, jobs), finished + 1):
            progress("methods and seeds", done, len(pairs))
    rows = _joined(out, [read_steps(out, m, s) for m, s in pairs])
    figures = summaries(rows, list(config.all_methods))
    write_text(out / SUMMARY, as_table(figures).to_csv(index=False))
    write_text(out / PAGE, render(config, stream, rows, figures, _arrivals(config, stream, out)))
    warnings = (silent_nodes(stream),) if stream.silent else ()
    return StreamResult(figures, rows, stream.simulated, out / PAGE, warnings)


def summaries(rows: pd.DataFrame, methods: list[str]) -> dict[str, dict[str, Interval]]:
    """Summarise every method over seeds.

    Args:
        rows: rows of ``prequential`` with columns method and seed.
        methods: names of the methods.

    Returns:
        Figures with their intervals, by method and name.
    """
    figures = {}
    steps = rows.step.nunique()
    for method in methods:
        parts = [summary(part) for _, part in rows[rows.method == method].groupby("seed")]
        figures[method] = {
            name: possible(name, interval([p[name] for p in parts]), steps) for name in parts[0]
        }
    return figures


def _run_all(
    config: StreamConfig, out: Path, remaining: list[tuple[str, int]], jobs: int
) -> Iterator[str]:
    if jobs <= 1 or len(remaining) < 2:
        streams: dict[int, Stream] = {}
        for method, seed in remaining:
            if seed not in streams:
                streams = {seed: open_stream(config, seed)}
            _run_method(config, out, method, seed, streams[seed])
            yield method
        return
    arguments = [(config, out, *pair) for pair in remaining]
    for (method, _), _ in zip(remaining, in_parallel(_run_method, arguments, jobs), strict=True):
        yield method


def _run_nodes(
    config: StreamConfig, out: Path, names: tuple[str, ...], progress: StageProgress
) -> None:
    """Run every node in a process of its own, and join their tables."""
    from flame.federation.flare.simulator import run_nodes_on_flare

    files = tuple(str(path.resolve()) for path in paths_of(config.table))
    links = str(Path(config.gossip.file).resolve()) if config.gossip.file else ""
    here = replace(
        config,
        table=replace(config.table, files=files),
        gossip=replace(config.gossip, file=links),
    )
    run_nodes_on_flare("stream", here.to_json(), names, out, partial(progress, "steps"))
    for method, seed in product(config.all_methods, config.seeds):
        parts = [read_steps(out / PEERS / name, method, seed) for name in names]
        rows = pd.concat(parts).sort_values("step", kind="stable", ignore_index=True)
        for mean in ("gradients", "held"):
            rows[mean] = rows.groupby("step")[mean].transform("mean")
        with atomic_path(steps_file(out, method, seed)) as temporary:
            rows.drop(columns=["method", "seed"]).to_csv(temporary, index=False)


def _arrivals(config: StreamConfig, stream: Stream, out: Path) -> pd.DataFrame:
    """Return the alarms by features of all nodes for the first seed, and write them down."""
    tables = []
    for place, name in enumerate(stream.nodes):
        if config.sites.engine == "flare":
            tables.append(pd.read_csv(out / PEERS / name / DRIFT))
            continue
        watch = ArrivalWatch(name, stream.frame.feature_names, config.alarms)
        for step in range(len(stream.batches)):
            watch.see(step, stream.arrived(step, place))
        tables.append(watch.alarms)
    alarms = joined(tables)
    with atomic_path(out / DRIFT) as temporary:
        alarms.to_csv(temporary, index=False)
    return alarms


def _run_method(
    config: StreamConfig, out: Path, method: str, seed: int, stream: Stream | None = None
) -> None:
    stream = stream or open_stream(config, seed)
    learner = begin(
        config.all_methods[method],
        stream,
        open_network(config, stream),
        config.gossip,
        config.training,
        seed,
    )
    try:
        rows = prequential(learner, stream, config.detectors, config.alarms.level)
    except FlameError as error:
        raise type(error)(f"method '{method}', seed {seed}: {error}") from None
    with atomic_path(steps_file(out, method, seed)) as temporary:
        rows.to_csv(temporary, index=False)


def read_steps(out: Path, method: str, seed: int) -> pd.DataFrame:
    """Read the rows of a method and a seed.

    Args:
        out: run folder, or that of a node.
        method: name of the method.
        seed: the seed.

    Returns:
        The table of ``Prequential``, with the columns ``method`` and ``seed``.

    Raises:
        BadInput: the file is damaged.
    """
    path = steps_file(out, method, seed)
    try:
        # Names of nodes such as NA or 01 stay text.
        rows = pd.read_csv(path, converters={"node": str}, float_precision="round_trip")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise BadInput(_DAMAGED.format(path)) from None
    return rows.assign(method=method, seed=seed)


def _joined(out: Path, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return all rows; raise BadInput if a table lacks rows that others of its seed have."""
    rows = pd.concat(tables, ignore_index=True)
    most = rows.groupby(["method", "seed"]).size().groupby("seed").max()
    for part in tables:
        method = part.method.iloc[0]
        seed = int(part.seed.iloc[0])
        uneven = part.groupby("step").size().nunique() > 1
        if len(part) < most[seed] or uneven or part.moved.isna().any():
            raise BadInput(_DAMAGED.format(steps_file(out, method, seed)))
    return rows


def _checked(config: StreamConfig) -> Stream:
    """Return the stream of the first seed, after all methods and the graph were tried on it."""
    stream = open_stream(config, config.seeds[0])
    if config.sites.engine == "flare":
        _check_names(stream.nodes)
    network = open_network(config, stream)
    for name, method in config.all_methods.items():
        try:
            if config.sites.engine == "flare":
                check_distributed(method, config.gossip.method)
            begin(method, stream, network, config.gossip, config.training, config.seeds[0])
        except BadInput as error:
            raise BadInput(f"method '{name}': {error}") from None
    if any(method.exchange == GOSSIP for method in config.all_methods.values()):
        _ = GossipNetwork(config.gossip, stream.nodes, stream.links).diameter
    return stream


def _check_names(nodes: tuple[str, ...]) -> None:
    """Check that nodes can name processes and their folders."""
    for name in nodes:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name == SERVER:
            raise BadInput(
                f"node '{name}' cannot name a process: rename it, with letters, digits, - and _ "
                f"alone and not '{SERVER}', or use --engine in-process"
            )


def _claim(config: StreamConfig, out: Path, stream: Stream) -> None:
    """Write the configuration, the hash of the data and the nodes, or check existing ones."""
    files = paths_of(config.table) + [Path(config.gossip.file)] * bool(config.gossip.file)
    data = "\n".join([content_hash(files) if files else "", *stream.nodes])
    folder = RunFolder(out)
    if folder.holds(config):
        folder.check_plugins()
        if (out / _DATA).read_text(encoding="utf-8") != data:
            raise BadInput(f"{out}: the data changed since the run began; give a new --out")
        return
    write_text(out / _DATA, data)
    folder.write_plugins()
    write_text(out / CONFIG, config_text(config))


def as_table(figures: dict[str, dict[str, Interval]]) -> pd.DataFrame:
    """Arrange figures as a table.

    Args:
        figures: figures with their intervals, by method and name.

    Returns:
        A row for each method and figure.
    """
    return pd.DataFrame(
        [
            {"method": method, "figure": name, "value": f.value, "low": f.low, "high": f.high}
            for method, each in figures.items()
            for name, f in each.items()
        ]
    )

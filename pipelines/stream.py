"""``flame stream``: methods on a stream that drifts, compared test-then-train."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.core.config import as_toml
from flame.core.errors import BadInput, FlameError
from flame.core.files import atomic_path, content_hash, locked, write_text
from flame.core.progress import StageProgress, silent_stages
from flame.federation.gossip.method import GOSSIP
from flame.federation.gossip.network import GossipNetwork
from flame.federation.run_files import CONFIG
from flame.federation.run_folder import RunFolder
from flame.pipelines.parallel import in_parallel
from flame.streams.config import StreamConfig, open_network, open_stream
from flame.streams.measures import Interval, interval, possible, summary
from flame.streams.methods import begin
from flame.streams.prequential import prequential
from flame.streams.sources.tables.config import paths_of
from flame.streams.stream import Stream

STEPS, PAGE, SUMMARY = "steps", "stream.html", "summary.csv"
_DATA = "data.txt"
_DAMAGED = "{}: damaged; delete it and run again to go on"


@dataclass(frozen=True)
class StreamResult:
    """Figures by method and name, all rows of ``prequential``, and the page that shows them."""

    summary: dict[str, dict[str, Interval]]
    rows: pd.DataFrame
    simulated: bool
    html: Path


def run(
    config: StreamConfig,
    out: Path,
    progress: StageProgress = silent_stages,
    jobs: int = 1,
) -> StreamResult:
    """Every method on every seed's stream; what is done is kept, and a killed run goes on."""
    from flame.evaluation.pages.stream_page import render

    stream = _checked(config)
    _claim(config, out, stream)
    with locked(out / ".lock"):
        todo = [(m, s) for s in config.seeds for m in config.all_methods]
        left = [(m, s) for m, s in todo if not _path(out, m, s).exists()]
        progress("methods and seeds", len(todo) - len(left), len(todo))
        for done, _ in enumerate(_finished(config, out, left, jobs), len(todo) - len(left) + 1):
            progress("methods and seeds", done, len(todo))
    rows = _whole(out, [_read(out, m, s) for m, s in todo])
    figures = summaries(rows, list(config.all_methods))
    write_text(out / SUMMARY, _as_table(figures).to_csv(index=False))
    write_text(out / PAGE, render(config, stream, rows, figures))
    return StreamResult(figures, rows, stream.simulated, out / PAGE)


def summaries(rows: pd.DataFrame, methods: list[str]) -> dict[str, dict[str, Interval]]:
    """Each figure of each method, over seeds."""
    found, steps = {}, rows.step.nunique()
    for method in methods:
        parts = [summary(part) for _, part in rows[rows.method == method].groupby("seed")]
        found[method] = {
            name: possible(name, interval([p[name] for p in parts]), steps) for name in parts[0]
        }
    return found


def _finished(
    config: StreamConfig, out: Path, left: list[tuple[str, int]], jobs: int
) -> Iterator[str]:
    if jobs <= 1 or len(left) < 2:
        streams: dict[int, Stream] = {}
        for method, seed in left:
            if seed not in streams:
                streams = {seed: open_stream(config, seed)}
            _one(config, out, method, seed, streams[seed])
            yield method
        return
    for (method, _), _ in zip(
        left, in_parallel(_one, [(config, out, *each) for each in left], jobs), strict=True
    ):
        yield method


def _one(
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
        found = prequential(learner, stream, config.detectors)
    except FlameError as error:
        raise type(error)(f"method '{method}', seed {seed}: {error}") from None
    with atomic_path(_path(out, method, seed)) as temporary:
        found.to_csv(temporary, index=False)


def _path(out: Path, method: str, seed: int) -> Path:
    return out / STEPS / f"{method}.seed-{seed}.csv"


def _read(out: Path, method: str, seed: int) -> pd.DataFrame:
    path = _path(out, method, seed)
    try:
        rows = pd.read_csv(path, converters={"node": str})  # a node may be called NA, or 01
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise BadInput(_DAMAGED.format(path)) from None
    return rows.assign(method=method, seed=seed)


def _whole(out: Path, each: list[pd.DataFrame]) -> pd.DataFrame:
    """All rows; BadInput where a method has fewer of a seed than others, or not every node's."""
    rows = pd.concat(each, ignore_index=True)
    most = rows.groupby(["method", "seed"]).size().groupby("seed").max()
    for part in each:
        method, seed = part.method.iloc[0], int(part.seed.iloc[0])
        uneven = part.groupby("step").size().nunique() > 1
        if len(part) < most[seed] or uneven or part.consensus.isna().any():
            raise BadInput(_DAMAGED.format(_path(out, method, seed)))
    return rows


def _checked(config: StreamConfig) -> Stream:
    """The first seed's stream, once all methods and the graph were seen to go with it."""
    stream = open_stream(config, config.seeds[0])
    network = open_network(config, stream)
    for name, method in config.all_methods.items():
        try:
            begin(method, stream, network, config.gossip, config.training, config.seeds[0])
        except BadInput as error:
            raise BadInput(f"method '{name}': {error}") from None
    if any(method.exchange == GOSSIP for method in config.all_methods.values()):
        _ = GossipNetwork(config.gossip, stream.nodes, stream.links).diameter
    return stream


def _claim(config: StreamConfig, out: Path, stream: Stream) -> None:
    """Write configuration, hash of the data and nodes, or make sure that those there match."""
    files = paths_of(config.table) + [Path(config.gossip.file)] * bool(config.gossip.file)
    data = "\n".join([content_hash(files) if files else "", *stream.nodes])
    if RunFolder(out).holds(config):
        if (out / _DATA).read_text(encoding="utf-8") != data:
            raise BadInput(f"{out}: the data changed since the run began; give a new --out")
        return
    write_text(out / _DATA, data)
    write_text(out / CONFIG, as_toml(config))


def _as_table(figures: dict[str, dict[str, Interval]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": method, "figure": name, "value": f.value, "low": f.low, "high": f.high}
            for method, each in figures.items()
            for name, f in each.items()
        ]
    )

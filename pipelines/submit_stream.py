"""``flame submit`` of a stream: methods that learn from the growing tables of real sites."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.config import load_config
from flame.core.errors import BadInput, FlameError
from flame.core.files import atomic_path, write_text
from flame.federation.run_files import CONFIG, DRIFT, RESULTS
from flame.federation.run_folder import RunFolder
from flame.pipelines.stream import PAGE, SUMMARY, as_table, read_steps, summaries
from flame.streams.arrivals import ALARMS, joined
from flame.streams.config import StreamConfig, frame_at_sites
from flame.streams.methods import check_distributed
from flame.streams.nodes.program import steps_file
from flame.streams.stream import Frame, Stream, padded


def run(
    config: StreamConfig,
    kit: Path,
    out: Path,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    patience_s: float = 600.0,
) -> str:
    """Run the methods of a stream at the sites of a federation; a second call continues.

    Each site reads the table of its own ``flame join``, and keeps its models and rows. What
    arrives here are its figures of steps with enough rows.

    Args:
        config: the configuration; without ``sites.names``, all connected sites take part.
        kit: start-up kit of the admin.
        out: the run folder on this machine.
        show: called with the progress, see ``AdminSession.run``.
        say: called with each line of output.
        patience_s: time to wait for sites that are not connected, in s.

    Returns:
        A sentence that says where the page is.

    Raises:
        BadInput: the configuration, the kit or ``out`` cannot be used.
        FlameError: a method failed, or sites are missing.
    """
    from flame.federation.flare.admin import AdminSession, Submission
    from flame.federation.flare.kit import ADMIN, check_kit

    admin = AdminSession(check_kit(kit, ADMIN), patience_s)
    if not config.sites.names:
        config = replace(config, sites=replace(config.sites, names=_names(out) or admin.sites()))
    frame = checked(config)
    name = RunFolder(out).claim_name(config)
    least = config.sites.min_sites
    run_of_all = Submission.of_nodes("stream", config.to_json(), frame.nodes, name, least)
    admin.run(run_of_all, out, show, say)
    page = write_results(config, frame, out)
    silent = [site for site in frame.nodes if not (out / RESULTS / site).is_dir()]
    without = f" Nothing came from {', '.join(silent)}." if silent else ""
    return f"Every site keeps its models and rows; what they tell together: {page}.{without}"


def _names(out: Path) -> tuple[str, ...]:
    """Return the sites of a run that is in the folder; none where it is new."""
    file = out / CONFIG
    return load_config(StreamConfig, file, []).sites.names if file.exists() else ()


def checked(config: StreamConfig) -> Frame:
    """Check a configuration for real sites.

    Args:
        config: the configuration, with ``sites.names``.

    Returns:
        What every node knows of the stream.

    Raises:
        BadInput: it does not fit.
    """
    frame = frame_at_sites(config)
    for name, method in config.all_methods.items():
        try:
            check_distributed(method, config.gossip.method)
        except BadInput as error:
            raise BadInput(f"method '{name}': {error}") from None
    return frame


def write_results(config: StreamConfig, frame: Frame, out: Path) -> Path:
    """Join the tables of the sites, and write summary and page.

    Args:
        config: the configuration.
        frame: what every node knows of the stream.
        out: the run folder, with the tables of the sites.

    Returns:
        Path of the page.

    Raises:
        FlameError: no site has sent its tables, or none shows figures and none looked for drift.
    """
    from flame.evaluation.pages.stream_page import NO_FIGURES, has_figures, render

    tables = []
    for method, seed in product(config.all_methods, config.seeds):
        file = steps_file(out, method, seed).name
        parts = [out / RESULTS / site / file for site in frame.nodes]
        there = [path for path in parts if path.exists()]
        if not there:
            raise FlameError("no site has sent its figures; run the same command again")
        rows = pd.concat([_table(path) for path in there])
        rows = rows.sort_values("step", kind="stable", ignore_index=True)
        with atomic_path(steps_file(out, method, seed)) as temporary:
            rows.to_csv(temporary, index=False)
        tables.append(read_steps(out, method, seed))
    rows = pd.concat(tables, ignore_index=True)
    sent = [out / RESULTS / site / DRIFT for site in frame.nodes]
    watched = [_alarms(path) for path in sent if path.exists()]
    if not has_figures(rows) and not watched:
        raise FlameError(f"{NO_FIGURES}. The tables are in {out / RESULTS}")
    figures = summaries(rows, list(config.all_methods))
    write_text(out / SUMMARY, as_table(figures).to_csv(index=False))
    known = _without_rows(config, frame)
    write_text(out / PAGE, render(config, known, rows, figures, joined(watched)))
    return out / PAGE


def _table(path: Path) -> pd.DataFrame:
    """Read the table that a site has sent; the site is the node, whatever the table says."""
    try:
        rows = pd.read_csv(path, float_precision="round_trip").assign(node=path.parent.name)
        rows["step"].astype(int)
        rows[["rows", "accuracy", "moved"]].astype(float)
    except (ValueError, KeyError, UnicodeDecodeError, pd.errors.ParserError):
        raise FlameError(f"{path} is no table of steps: ask its site what it sent") from None
    return rows


def _alarms(path: Path) -> pd.DataFrame:
    """Read the alarms that a site has sent, without what only the site may know."""
    try:
        alarms = pd.read_csv(path)[list(ALARMS)].assign(node=path.parent.name)
        alarms[["step", "since"]].astype(int)
        alarms["new"].astype(float)
    except (ValueError, KeyError, UnicodeDecodeError, pd.errors.ParserError):
        raise FlameError(f"{path} is no table of alarms: ask its site what it sent") from None
    return alarms


def _without_rows(config: StreamConfig, frame: Frame) -> Stream:
    """Return the stream of sites as it is known here: nodes and steps, and no row."""
    none = (np.zeros((0, *frame.shape)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    batch = padded([none] * len(frame.nodes), frame.shape)
    unknown = np.full((frame.steps, len(frame.nodes)), -1)
    places = [config.table.places.get(name, ()) for name in frame.nodes]
    known = np.array(places, float) if all(places) else None
    return Stream(
        frame.nodes,
        frame.classes,
        (batch,) * frame.steps,
        unknown,
        config.table.simulated,
        frame.links,
        known,
    )

"""Page of ``flame stream``: a comparison of methods on a stream that drifts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.evaluation.pages.page import filled
from flame.evaluation.pages.sections import Section
from flame.evaluation.pages.stream_figures import (
    accuracy_figure,
    drift_figure,
    node_figure,
    topology_figure,
)
from flame.evaluation.pages.stream_tables import (
    comparison_section,
    detection_sections,
    summary_section,
)
from flame.federation.gossip.network import PUSH_SUM, GossipNetwork
from flame.federation.gossip.topology import CHANGING
from flame.streams.config import StreamConfig
from flame.streams.measures import Interval
from flame.streams.stream import Stream

_NAMED = 10
"""Largest number of classes that are listed with their shares."""


def render(
    config: StreamConfig,
    stream: Stream,
    rows: pd.DataFrame,
    figures: dict[str, dict[str, Interval]],
) -> str:
    """Return the page as HTML.

    Args:
        config: configuration of the stream.
        stream: stream of the first seed.
        rows: test-then-train results of all methods and seeds, one row for each step and node.
        figures: summary figures over seeds, by method and name.
    """
    sections = [
        summary_section(figures),
        comparison_section(config, rows),
        Section(
            "time",
            "Accuracy over time",
            "Mean over nodes and seeds, before each step's training. Grey: the share of nodes "
            "whose concept had just changed.",
            figure=Markup(accuracy_figure(rows)),
        ),
        Section(
            "nodes",
            "Node by node",
            "A row a node and a column a step, mean over seeds; "
            "a line where the node's concept changed.",
            figure=Markup(node_figure(rows)),
        ),
        Section(
            "drift",
            "What drift does to models",
            "How far the mean model moved in a step's training; how far nodes' models lay from "
            "their mean before the first mixing of a step (of methods with one model a node "
            "that is mixed) and after the last; accuracy of each model, when a step's batch "
            "comes, on those of earlier steps, which falls where it forgets.",
            figure=Markup(drift_figure(rows)),
        ),
        *detection_sections(config, stream, rows),
        *_topology(config, stream),
    ]
    about = f"{len(stream.nodes)} nodes · {len(stream.batches)} steps · {len(config.seeds)} seed(s)"
    about += f" · {_classes(stream)}"
    return filled(
        "Learning on a stream that drifts",
        about,
        (_subject(config), stream.simulated),
        _warnings(config),
        sections,
        [*_LIMITS, *_left_out(stream)],
        _without_paths(config),
    )


_LIMITS = [
    "Every accuracy is on rows before anybody learned from them (test, then train), against true "
    "labels where noise is declared. Handwritten digits are drawn from 1797, and come again.",
    "Intervals are over seeds, which draw rows and first weights; of real data the rows are the "
    "same for every seed, but for the node that each is dealt to.",
    "An oracle is told the true concepts, which nobody knows outside a simulation. It is no strict "
    "upper bound: it starts each concept anew and shares nothing between concepts.",
    "Bytes are those of numbers in 32 bits that a node sends until the last test, without headers.",
]


def _classes(stream: Stream) -> str:
    """Return the number of classes, or their names with their shares of the first seed's rows."""
    if len(stream.classes) > _NAMED:
        return f"{len(stream.classes)} classes"
    truth = np.concatenate([batch.truth[batch.there] for batch in stream.batches])
    shares = np.bincount(truth, minlength=len(stream.classes)) / len(truth)
    named = zip(stream.classes, shares, strict=True)
    return "classes " + ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in named)


def _subject(config: StreamConfig) -> str:
    return "patients" if config.mri.hospitals else "data"


def _warnings(config: StreamConfig) -> list[str]:
    if len(config.seeds) > 1:
        return []
    return ["One seed alone: there are no intervals, and differences may be chance."]


def _left_out(stream: Stream) -> list[str]:
    if not stream.left_out:
        return []
    return [
        f"{stream.left_out} of {stream.left_out + stream.rows} rows of the tables are in no batch: "
        "their time or outcome is not known, does not count, lies in the next step, or there were "
        "more than table.rows."
    ]


def _without_paths(config: StreamConfig) -> StreamConfig:
    files = tuple(Path(name).name for name in config.table.files)
    return replace(
        config,
        table=replace(config.table, files=files),
        gossip=replace(config.gossip, file=Path(config.gossip.file).name),
    )


def _topology(config: StreamConfig, stream: Stream) -> list[Section]:
    if all(method.exchange != "gossip" for method in config.all_methods.values()):
        return []
    peers = GossipNetwork(config.gossip, stream.nodes, stream.links)
    gossip = config.gossip
    least = "in the mean" if gossip.topology in CHANGING else "at least"
    if gossip.method == PUSH_SUM:
        least = "in the long run"
    note = (
        f"{gossip.topology}: spectral gap {peers.gap:.4f} with its weights (the share of "
        f"disagreement that a round takes away {least}), {peers.diameter} rounds until "
        f"everybody can have heard of everybody. Method {gossip.method}, which learners of "
        f"several models a node and reset-and-gate do not follow; {100 * gossip.loss:.0f} % of "
        "messages are lost."
    )
    figure = Markup(topology_figure(peers, stream.nodes))
    return [Section("topology", "Who hears whom", note, figure=figure)]

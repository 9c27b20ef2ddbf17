"""Page of ``flame stream``: a comparison of methods on a drifting stream."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.evaluation.pages.drift_section import drift_note, drift_section
from flame.evaluation.pages.page import filled
from flame.evaluation.pages.sections import Section
from flame.evaluation.pages.stream_figures import (
    accuracy_figure,
    drift_figure,
    node_figure,
)
from flame.evaluation.pages.stream_tables import (
    comparison_section,
    detection_sections,
    summary_section,
)
from flame.evaluation.pages.topology_figure import topology_figure
from flame.federation.gossip.network import PUSH_SUM, GossipNetwork
from flame.federation.gossip.topology import CHANGING
from flame.streams.config import StreamConfig
from flame.streams.learners.learner import LEARNERS
from flame.streams.measures import Interval
from flame.streams.methods import MAJORITY
from flame.streams.stream import Stream

_NAMED = 10
"""Largest number of classes that the page lists with their shares."""

NO_FIGURES = (
    "No site shows figures: each step has fewer rows, or rows of a class, than policies ask for; "
    "make table.step longer"
)
"""Why there is no accuracy."""
_TOLD = " A site tells no drift of fewer patients than its policy asks for."
_APART = " Every node was a process of its own: distances between models are unknown."


def render(
    config: StreamConfig,
    stream: Stream,
    rows: pd.DataFrame,
    figures: dict[str, dict[str, Interval]],
    arrivals: pd.DataFrame,
) -> str:
    """Render the page.

    Args:
        config: configuration of the stream.
        stream: stream of the first seed.
        rows: test-then-train results of all methods and seeds, one row for each step and node.
        figures: mean and interval over seeds, by method and name of the measure.
        arrivals: alarms of ``ArrivalWatch`` of all nodes, for the first seed.

    Returns:
        The page as HTML.
    """
    learned = rows[rows.method != MAJORITY]
    seen = drift_note(config.alarms, len(stream.nodes), len(stream.batches))
    if not stream.rows:  # of sites, whose rows are theirs
        seen += _TOLD
    shown = has_figures(rows)
    sections = [
        *(_accuracy_sections(config, rows, learned, figures) if shown else []),
        drift_section(arrivals, learned, seen),
        *(detection_sections(config, stream, learned) if shown else []),
        *_topology(config, stream),
    ]
    seeds = len(config.seeds)
    about = f"{len(stream.nodes)} nodes · {len(stream.batches)} steps · {seeds} seed"
    about += "s" * (seeds > 1) + f" · {_classes(stream)}"
    return filled(
        "Learning from a drifting stream",
        about,
        (_subject(config), stream.simulated),
        _warnings(config, stream) + [NO_FIGURES] * (not shown),
        sections,
        [*_LIMITS, *_left_out(stream)],
        _without_paths(config),
        _verdict(config, figures),
    )


def has_figures(rows: pd.DataFrame) -> bool:
    """Say whether the accuracy of any step is known.

    Args:
        rows: test-then-train results.

    Returns:
        False where sites have suppressed it for all steps.
    """
    return bool(rows.accuracy.notna().any())


def _accuracy_sections(
    config: StreamConfig,
    rows: pd.DataFrame,
    learned: pd.DataFrame,
    figures: dict[str, dict[str, Interval]],
) -> list[Section]:
    changes = bool(rows.changed.any())
    return [
        summary_section(figures),
        comparison_section(config, rows),
        Section(
            "time",
            "Accuracy over time",
            "Mean over nodes and seeds, measured before the training of each step"
            + ", with 95 % bands over seeds" * (len(config.seeds) > 1)
            + ". Steps are numbered from 0; in step 0 nothing is tested. The method "
            f"{MAJORITY} predicts the class that was most frequent at the node so far."
            + " Grey bars: share of nodes whose concept has just changed." * changes
            + " Below: rows of a node in a step (line: mean; band: from the fewest to the most).",
            figure=Markup(accuracy_figure(rows)),
        ),
        Section(
            "nodes",
            "Accuracy of each node",
            "Each row is a node and each column a step; mean over seeds."
            + " White lines mark steps at which the concept of a node changes." * changes,
            figure=Markup(node_figure(learned)),
        ),
        Section(
            "drift",
            "Effects of drift on the models",
            _effects(learned),
            figure=Markup(drift_figure(learned)),
        ),
    ]


def _effects(rows: pd.DataFrame) -> str:
    """Explain the panels that the figure of effects has."""
    apart = bool(rows.consensus.isna().all())
    of_whom = "each node's model" if apart else "the mean model"
    text = f"Movement: distance that {of_whom} moves in the training of a step."
    if rows.divergence.notna().any():
        text += (
            " Divergence: distance of the nodes' models from their mean before the first mixing of "
            "a step, for methods that mix one model per node."
        )
    if not apart:
        text += " Consensus distance: the same distance after the last mixing."
    if rows.earlier.notna().any():
        text += (
            " Accuracy on earlier batches: accuracy of each model on the batches of earlier steps "
            "when the batch of a step arrives; it falls if the model forgets."
        )
    return text + _APART * apart


def _verdict(config: StreamConfig, figures: dict[str, dict[str, Interval]]) -> str:
    """Compare the best method, oracles apart, with always predicting the most frequent class."""
    fair = {
        name: figures[name]["accuracy"].value
        for name, how in config.all_methods.items()
        if not LEARNERS[how.learner].is_oracle and np.isfinite(figures[name]["accuracy"].value)
    }
    trivial = fair.pop(MAJORITY, np.nan)
    if not fair:
        return ""
    best = max(fair, key=lambda name: fair[name])
    text = f"Highest accuracy before training on each step: {best}, {100 * fair[best]:.1f} %."
    if fair[best] <= trivial:
        return (
            f"{text} That is no better than always predicting the class that was most frequent so "
            f"far, {100 * trivial:.1f} %."
        )
    return (
        f"{text} Always predicting the class that was most frequent so far gives "
        f"{100 * trivial:.1f} %."
    )


_LIMITS = [
    "Accuracy is measured on rows before any node learns from them (test, then train). If a stream "
    "declares label noise, predictions are compared with the true labels. Handwritten digits are "
    "drawn from 1797 images, which recur.",
    "Intervals are over seeds, which determine the drawn rows and the initial weights. Real data "
    "have the same rows for every seed; only their assignment to nodes can differ.",
    "An oracle receives the true concepts, which are known in simulations only. It is not a strict "
    "upper bound: it starts each concept from new weights and shares nothing between concepts.",
    "Bytes count the 32-bit numbers that a node sends until the last test, without headers.",
]


def _classes(stream: Stream) -> str:
    """Return the number of classes, or their names with their shares of the first seed's rows."""
    if len(stream.classes) > _NAMED:
        return f"{len(stream.classes)} classes"
    truth = np.concatenate([batch.truth[batch.exists] for batch in stream.batches])
    if not len(truth):  # the rows are at their sites
        return f"classes: {', '.join(stream.classes)}"
    shares = np.bincount(truth, minlength=len(stream.classes)) / len(truth)
    named = zip(stream.classes, shares, strict=True)
    return "classes " + ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in named)


def _subject(config: StreamConfig) -> str:
    return "patients" if config.mri.hospitals else "data"


def _warnings(config: StreamConfig, stream: Stream) -> list[str]:
    told = [silent_nodes(stream)] if stream.silent else []
    if len(config.seeds) == 1:
        told += ["Only one seed: there are no intervals, and differences may be due to chance."]
    return told


def silent_nodes(stream: Stream) -> str:
    """Name the nodes that take no part.

    Args:
        stream: a stream with such nodes.

    Returns:
        A sentence.
    """
    return (
        f"Left out, as none of their rows is in a batch: {', '.join(stream.silent)}. Their times "
        "or outcomes are unknown, not among table.among, or known in a later step only."
    )


def _left_out(stream: Stream) -> list[str]:
    if not stream.left_out:
        return []
    return [
        f"{stream.left_out} of {stream.left_out + stream.rows} rows of the tables are in no batch: "
        "their time or outcome is unknown, their outcome is not among table.among or becomes known "
        "in a later step only, or the table has more than table.rows rows."
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
    network = GossipNetwork(config.gossip, stream.nodes, stream.links)
    gossip = config.gossip
    qualifier = "on average" if gossip.topology in CHANGING else "at least"
    if gossip.method == PUSH_SUM:
        qualifier = "in the long run"
    note = (
        gossip.topology
        + " (first round)" * (gossip.topology in CHANGING)
        + f": spectral gap {network.gap:.4f} of the mixing weights (each round "
        f"removes {qualifier} this share of the disagreement). After {network.diameter} rounds, "
        f"information from every node can have reached all others. Gossip method: {gossip.method}, "
        "which learners with several models per node and reset-and-gate do not use. "
        f"{100 * gossip.loss:.0f} % of the messages are lost."
    )
    figure = Markup(topology_figure(network, stream.nodes, stream.places))
    return [Section("topology", "Communication graph", note, figure=figure)]

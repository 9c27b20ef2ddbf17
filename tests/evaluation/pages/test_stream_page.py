"""The page of a stream, from rows by hand."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from flame.core.config import build
from flame.evaluation.pages.stream_page import render
from flame.streams.arrivals import ArrivalWatch
from flame.streams.config import StreamConfig, open_stream
from flame.streams.measures import Interval
from flame.streams.stream import Stream

FIGURES = (
    *("accuracy", "without_changes", "worst_node", "recovery", "forgetting", "detected"),
    *("false_alarms", "consensus", "bytes", "balanced", "kappa", "auc", "gradients", "held"),
)


def config(**changes: Any) -> StreamConfig:
    given: dict[str, Any] = {
        "compare": ["local", "fedavg"],
        "seeds": [0, 1],
        "detectors": [],
        "synthetic": {"source": "sine", "samples": 20},
        "schedule": {"nodes": 3, "steps": 4},
    }
    return build(StreamConfig, {**given, **changes}, "the test")


def rows(stream: Stream, config: StreamConfig) -> pd.DataFrame:
    """Accuracies of 80 % for every method, seed, step and node."""
    common = {
        **dict.fromkeys(("rows", "bytes"), 20),
        **dict.fromkeys(("moved", "divergence", "consensus", "earlier"), 0.5),
        "accuracy": 0.8,
        "alarm": np.nan,
    }
    return pd.DataFrame(
        {
            "method": method,
            "seed": seed,
            "step": step,
            "node": node,
            "concept": stream.concept[step][place],
            "changed": stream.changed[step][place],
            **common,
        }
        for method in config.all_methods
        for seed in config.seeds
        for step in range(1, 4)
        for place, node in enumerate(stream.nodes)
    )


def page(settings: StreamConfig, value: float = 0.8) -> str:
    stream = open_stream(settings, 0)
    figures = {
        method: dict.fromkeys(FIGURES, Interval(value, value - 0.01, value + 0.01))
        for method in settings.all_methods
    }
    none = ArrivalWatch("node-1", ["x"], settings.alarms).alarms
    return render(settings, stream, rows(stream, settings), figures, none)


def test_every_method_has_a_row_with_its_interval() -> None:
    html = page(config())
    table = re.search(r'id="summary-table".*?</table>', html, re.DOTALL)
    assert table is not None
    assert re.findall(r'<tr>\s*<th scope="row">(.*?)</th>', table.group()) == [
        "local",
        "fedavg",
        "majority",
    ]
    assert "79.0 to 81.0" in table.group()
    assert "Simulated data" in html
    assert "3 nodes · 4 steps · 2 seeds" in html


def test_a_column_without_a_value_is_left_out() -> None:
    assert "recovery, steps" in page(config())
    assert "recovery, steps" not in page(config(), value=float("nan"))


def test_the_best_method_is_compared_with_the_most_frequent_class() -> None:
    # All methods have 80 %.
    assert "That is no better than always predicting the class" in page(config())


def test_one_seed_has_a_warning() -> None:
    assert "Only one seed" in page(config(seeds=[0]))
    assert "Only one seed" not in page(config())


def test_a_graph_is_drawn_where_a_method_gossips() -> None:
    gossiping = config(compare=["local", "gossip"], gossip={"topology": "line"})
    # Metropolis weights of a line of 3 nodes have the eigenvalues 1, 2/3 and 0.
    assert "line: spectral gap 0.3333" in page(gossiping)
    assert "spectral gap" not in page(config())


def test_no_path_of_this_machine_is_shown() -> None:
    settings = config()
    gossip = replace(settings.gossip, topology="file", file="/home/jane/graph.csv")
    html = page(replace(settings, gossip=gossip))
    assert "graph.csv" in html
    assert "/home/jane" not in html

"""Figures of stream methods and of the gossip graph, as inline SVG."""

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flame.evaluation.pages.figures import panels, to_svg
from flame.federation.gossip.network import GossipNetwork

_NODES_DRAWN = 60
"""Largest number of nodes with a Kamada-Kawai layout; larger graphs get a faster spring layout."""


def accuracy_figure(rows: pd.DataFrame) -> str:
    """Draw the mean accuracy of each method by step, and the share of nodes whose concept changes.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axis = figure.add_subplot()
    _by_step(axis, rows, "accuracy", scale=100)
    axis.set(xlabel="step", ylabel="accuracy, %")
    changed = rows.groupby("step").changed.mean()
    if changed.any():
        behind = axis.twinx()
        behind.bar(changed.index, 100 * changed, color="#c9d1d9", width=0.8, zorder=0)
        behind.set(ylim=(0, 300), yticks=[0, 100], ylabel="nodes changed, %")
        axis.set_zorder(behind.get_zorder() + 1)
        axis.patch.set_visible(False)
    axis.legend(fontsize=7, ncol=5, loc="lower center", bbox_to_anchor=(0.5, 1))
    return to_svg(figure, "accuracy")


def _by_step(
    axis: Axes, rows: pd.DataFrame, column: str, scale: float = 1.0, since: int = 0
) -> None:
    for place, (method, part) in enumerate(rows.groupby("method", sort=False)):
        mean = scale * part.groupby("step")[column].mean()
        style = ("-", "--", "-.", ":")[place // 10 % 4]
        axis.plot(mean.index - since, mean, style, lw=1.4, label=str(method))


def node_figure(rows: pd.DataFrame) -> str:
    """Draw the accuracy by node and step, one panel for each method.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element.
    """
    methods = list(dict.fromkeys(rows.method))
    rows_of_panels = -(-len(methods) // 3)
    columns = min(3, len(methods))
    figure = Figure(figsize=(3.6 * columns, 2.4 * rows_of_panels), layout="constrained")
    low = np.nanquantile(rows.accuracy, 0.02)
    nodes = list(dict.fromkeys(rows.node))
    known = rows.pivot_table(index="node", columns="step", values="changed", aggfunc="max")
    changed = known.reindex(nodes).to_numpy(bool)
    for place, method in enumerate(methods):
        axis = figure.add_subplot(rows_of_panels, columns, place + 1)
        part = rows[rows.method == method]
        values = part.pivot_table(index="node", columns="step", values="accuracy").reindex(nodes)
        steps = values.columns.to_numpy()
        edges = (steps[0] - 0.5, steps[-1] + 0.5, len(nodes) - 0.5, -0.5)
        shown = axis.imshow(values, aspect="auto", extent=edges, vmin=low, vmax=1, cmap="viridis")
        for node, column in np.argwhere(changed):
            at = steps[column] - 0.5
            axis.plot([at, at], [node - 0.5, node + 0.5], color="white", lw=1)
        axis.set_title(method, fontsize=8)
        axis.set_yticks(range(len(nodes)) if len(nodes) <= 12 else [])
        if len(nodes) <= 12:
            axis.set_yticklabels(nodes, fontsize=5.5)
        axis.tick_params(axis="x", labelsize=6)
    figure.colorbar(shown, ax=figure.axes, shrink=0.6, label="accuracy")
    return to_svg(figure, "nodes")


def drift_figure(rows: pd.DataFrame) -> str:
    """Draw the effects of drift on models: movement, divergence, consensus distance and forgetting.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element.
    """
    titles = {
        "moved": "movement of the mean model",
        "divergence": "divergence before mixing",
        "consensus": "consensus distance after mixing",
        "earlier": "accuracy on earlier batches",
    }
    figure, axes = panels(len(titles), height=2.8)
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        # All but the accuracy on earlier batches are of the training in the step before.
        _by_step(axis, rows, column, since=int(column != "earlier"))
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes[-1].legend(fontsize=5.5)
    return to_svg(figure, "drift")


def topology_figure(peers: GossipNetwork, names: tuple[str, ...]) -> str:
    """Draw the gossip graph of the first round, with arrows unless all links go both ways.

    Args:
        peers: the gossip network.
        names: names of the nodes.

    Returns:
        The figure as an SVG element.
    """
    links = peers.links(0)
    graph = nx.from_numpy_array(links.T, create_using=nx.DiGraph)
    both = bool((links == links.T).all())
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axis = figure.add_subplot()
    spread = nx.kamada_kawai_layout(graph) if len(names) <= _NODES_DRAWN else None
    places = spread or nx.spring_layout(graph, seed=0)
    nx.draw_networkx(
        graph.to_undirected() if both else graph,
        places,
        ax=axis,
        arrows=not both,
        with_labels=len(names) <= 20,
        labels=dict(enumerate(names)),
        font_size=6,
        node_size=160 if len(names) <= 20 else 20,
        node_color="#9fc5e8",
        edge_color="#7a8793",
    )
    axis.set_axis_off()
    return to_svg(figure, "topology")

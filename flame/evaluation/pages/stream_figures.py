"""Figures of stream methods and of the gossip graph, as inline SVG."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flame.evaluation.pages.figures import legend_beside, panels, to_svg
from flame.streams.measures import interval


def accuracy_figure(rows: pd.DataFrame) -> str:
    """Draw the accuracy of each method by step, the rows of a step, and where concepts change.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element: means over nodes and seeds with 95 % bands over seeds, and
        below them the rows of a node in a step (mean, and from the fewest to the most).
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _by_step(axis, rows, "accuracy", scale=100, band=True)
    axis.set(ylabel="accuracy, %")
    changed = rows.groupby("step").changed.mean()
    if changed.any():
        behind = axis.twinx()
        behind.bar(changed.index, 100 * changed, color="#c9d1d9", width=0.8, zorder=0)
        behind.set(ylim=(0, 300), yticks=[0, 100], ylabel="nodes changed, %")
        axis.set_zorder(behind.get_zorder() + 1)
        axis.patch.set_visible(False)
    first = rows[(rows.method == rows.method.iloc[0]) & (rows.seed == rows.seed.iloc[0])]
    counts = first.groupby("step")["rows"]
    below.fill_between(counts.mean().index, counts.min(), counts.max(), color="#9aa7b5", alpha=0.4)
    below.plot(counts.mean().index, counts.mean(), color="#4b5966", lw=1)
    below.set(xlabel="step", ylabel="rows a node", ylim=(0, None))
    below.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    legend_beside(figure, [axis])
    return to_svg(figure, "accuracy")


def _by_step(
    axis: Axes,
    rows: pd.DataFrame,
    column: str,
    scale: float = 1.0,
    since: int = 0,
    band: bool = False,
) -> None:
    for place, (method, part) in enumerate(rows.groupby("method", sort=False)):
        by_seed = scale * part.groupby(["step", "seed"])[column].mean().unstack()
        mean = by_seed.mean(axis=1)
        style = ("-", "--", "-.", ":")[place // 10 % 4]
        (line,) = axis.plot(mean.index - since, mean, style, lw=1.4, label=str(method))
        if band and by_seed.shape[1] > 1:
            ends = np.array([interval(values)[1:] for values in by_seed.to_numpy()])
            axis.fill_between(
                mean.index - since,
                np.clip(ends[:, 0], 0, scale),
                np.clip(ends[:, 1], 0, scale),
                color=line.get_color(),
                alpha=0.1,
                lw=0,
            )


def node_figure(rows: pd.DataFrame) -> str:
    """Draw the accuracy by node and step, one panel for each method.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element.
    """
    methods = list(dict.fromkeys(rows.method))
    columns = 3
    height = max(2.4, 0.14 * min(rows.node.nunique(), 16) + 0.8)
    figure, axes = panels(len(methods), height, columns, width=3.6)
    low = np.nanquantile(rows.accuracy, 0.02)
    nodes = list(dict.fromkeys(rows.node))
    known = rows.pivot_table(index="node", columns="step", values="changed", aggfunc="max")
    changed = known.reindex(nodes).to_numpy(bool)
    for place, (axis, method) in enumerate(zip(axes, methods, strict=True)):
        part = rows[rows.method == method]
        values = part.pivot_table(index="node", columns="step", values="accuracy").reindex(nodes)
        steps = values.columns.to_numpy()
        edges = (steps[0] - 0.5, steps[-1] + 0.5, len(nodes) - 0.5, -0.5)
        shown = axis.imshow(values, aspect="auto", extent=edges, vmin=low, vmax=1, cmap="viridis")
        marks = [
            [(steps[column] - 0.5, node - 0.5), (steps[column] - 0.5, node + 0.5)]
            for node, column in np.argwhere(changed)
        ]
        axis.add_collection(LineCollection(marks, colors="white", linewidths=1))
        axis.set_title(method, fontsize=8)
        named = len(nodes) <= 16 and place % columns == 0
        axis.set_yticks(range(len(nodes)) if named else [], nodes if named else [], fontsize=7)
        axis.tick_params(axis="x", labelsize=7)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axis.set_xlabel("step" if place >= len(methods) - columns else "", fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.6, label="accuracy")
    return to_svg(figure, "nodes", f"accuracy by node and step of {', '.join(methods)}")


def drift_figure(rows: pd.DataFrame) -> str:
    """Draw the effects of drift on models: movement, divergence, consensus distance and forgetting.

    Args:
        rows: test-then-train results, one row for each method, seed, step and node.

    Returns:
        The figure as an SVG element, without what is unknown because every node was a process of
        its own.
    """
    titles = {
        "moved": "movement of the mean model",
        "divergence": "divergence before mixing",
        "consensus": "consensus distance after mixing",
        "earlier": "accuracy on earlier batches",
    }
    if rows.consensus.isna().all():
        titles["moved"] = "movement of each node's model"
    titles = {column: title for column, title in titles.items() if rows[column].notna().any()}
    figure, axes = panels(len(titles), height=2.8)
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        # All but the accuracy on earlier batches are of the training in the step before.
        _by_step(axis, rows, column, since=int(column != "earlier"))
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axis.set_xlim(-0.5, rows.step.max() + 0.5)
    legend_beside(figure, axes)
    return to_svg(figure, "drift")

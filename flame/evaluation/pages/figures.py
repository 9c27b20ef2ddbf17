"""Figures of several pages, as inline SVG."""

import io
import re
from collections.abc import Sequence as SequenceOf
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import NullFormatter

from flame.core.imaging import Scan
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED
from flame.preprocessing.stages.interpolation import resample

MODEL_COLOURS = {
    LOCAL: "#8a6500",
    FEDERATED: "#1f6fb2",
    PERSONALISED: "#1c7a54",
    POOLED: "#666666",
    UNSEEN: "#c0392b",
}
"""Colour of each model in figures, with a contrast of 4.5 or more on white."""
MODEL_LINES = {
    LOCAL: ":",
    FEDERATED: "--",
    PERSONALISED: (0, (5, 1)),
    POOLED: "-.",
    UNSEEN: "-",
}
"""Line style of each model, so that figures also read without colours."""
MODEL_MARKERS = {LOCAL: "^", FEDERATED: "o", UNSEEN: "s"}
"""Marker of each model that a forest plot shows."""
COLUMNS = 4
"""Most panels in a row."""


def panels(
    count: int, height: float = 3.1, most: int = COLUMNS, width: float = 3.4
) -> tuple[Figure, list[Axes]]:
    """Create an empty figure with axes side by side, in rows.

    Args:
        count: number of axes.
        height: height of a row in inches.
        most: largest number of axes in a row.
        width: width of a column in inches.

    Returns:
        The figure and its axes from left to right and from top to bottom.
    """
    columns = min(count, most)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def legend_beside(figure: Figure, axes: SequenceOf[Axes]) -> None:
    """Add one legend for all panels at the right of a figure, which gets wider by its width.

    Args:
        figure: the figure.
        axes: its panels; entries with equal labels are shown once.
    """
    entries = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if not entries:
        return
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + 0.5 + 0.065 * max(map(len, entries)), height)
    figure.legend(
        list(entries.values()),
        list(entries),
        fontsize=7,
        loc="outside right upper",
        frameon=False,
    )


def survival_curve(axis: Axes, curve: Any, band: float = 0.0, **style: Any) -> None:
    """Draw a Kaplan-Meier curve from day 0 on.

    Args:
        axis: axes to draw on.
        curve: a Kaplan-Meier curve or a table of one, with its ``times`` in days, shares ``alive``,
            and both ends of their interval, ``low`` and ``high``, all (t,).
        band: opacity of its 95 % band; 0: none is drawn.
        **style: options of the line.
    """
    times = np.append(0, curve.times)
    alive, low, high = (np.append(1, v) for v in (curve.alive, curve.low, curve.high))
    axis.step(times, alive, where="post", **style)
    if band:
        axis.fill_between(times, low, high, step="post", color=style.get("color"), alpha=band, lw=0)


def to_svg(figure: Figure, name: str, alternative: str = "") -> str:
    """Convert a figure to an <svg> element.

    Args:
        figure: the figure.
        name: prefix of all ids, so that the ids of two figures on one page differ.
        alternative: what the figure shows, for those who do not see it; empty: its axes, titles and
            legends.

    Returns:
        The element, which is the same text for the same figure.
    """
    stream = io.StringIO()
    for side in (side for axis in figure.axes for side in (axis.xaxis, axis.yaxis)):
        if side.get_scale() == "log":  # 100 instead of TeX, which is not parsed
            side.set_major_formatter("{x:g}")
            side.set_minor_formatter(NullFormatter())
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # the name of a site or method may contain a $
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    shown = escape(alternative or _alternative(figure))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{shown}" ', 1)


def _alternative(figure: Figure) -> str:
    """Say in words what a figure shows: panels, axes and legends."""
    lines: dict[str, list[str]] = {}
    for axis in figure.axes:
        labels = [t for t in (axis.get_ylabel(), axis.get_xlabel()) if t]
        lines.setdefault(" by ".join(labels), []).append(axis.get_title())
    panels = [
        (shown or "panels") + (f" ({', '.join(titles)})" if any(titles) else "")
        for shown, titles in lines.items()
    ]
    legends = figure.findobj(Legend)
    entries = dict.fromkeys(t.get_text() for legend in legends for t in legend.get_texts())
    return "; ".join([*panels, *([f"lines: {', '.join(entries)}"] if entries else [])])


def case_figure(scans: SequenceOf[Scan], relevance: Scan | None = None) -> str:
    """Draw axial, coronal and sagittal slices of one case through its brightest enhancement.

    Args:
        scans: scans of one day; the last one should be the T1C, whose brightest point is shown.
        relevance: effect of hiding the image, see ``occlusion``. It is drawn over all scans, in
            red where hiding the image lowers the prediction.

    Returns:
        The figure as an SVG element.
    """
    figure = Figure(figsize=(2.2 * len(scans), 6.2), layout="constrained", facecolor="black")
    contrast = scans[-1].voxels
    centre = np.unravel_index(int(np.argmax(_smooth(contrast))), contrast.shape)
    for column, scan in enumerate(scans):
        for row, axis_index in enumerate((2, 1, 0)):
            axis = figure.add_subplot(3, len(scans), row * len(scans) + column + 1)
            plane = np.take(scan.voxels, centre[axis_index], axis=axis_index).T
            low, high = np.quantile(scan.voxels[scan.voxels != 0], [0.01, 0.995])
            brain = np.ma.masked_equal(plane, 0)  # outside the brain stays black
            axis.imshow(brain, cmap="gray", origin="lower", vmin=low, vmax=high)
            if relevance is not None:
                on_grid = resample(
                    relevance.voxels, relevance.affine, scan.affine, scan.voxels.shape
                )
                _overlay(axis, np.take(on_grid, centre[axis_index], axis=axis_index).T, on_grid)
            axis.set_axis_off()
            if row == 0:
                axis.set_title(str(scan.sequence), color="white", fontsize=9)
    return to_svg(figure, "case", "axial, coronal and sagittal slices of one patient")


def _overlay(axis: Axes, plane: np.ndarray, whole: np.ndarray) -> None:
    largest = float(np.abs(whole).max()) or 1.0
    axis.imshow(
        plane,
        cmap="RdBu_r",
        origin="lower",
        vmin=-largest,
        vmax=largest,
        alpha=np.clip(np.abs(plane) / largest, 0, 0.6),
    )


def _smooth(voxels: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(voxels, 2))


def dots_figure(rows: pd.DataFrame, metric: str, title: str) -> str:
    """Draw one dot for each patient and the mean, by model, with one panel for each centre.

    Args:
        rows: tables of ``patient_scores``, joined.
        metric: column of the metric.
        title: label of the vertical axis.

    Returns:
        The figure as an SVG element.
    """
    centres = list(dict.fromkeys(rows.tested_on))
    figure, axes = panels(len(centres))
    for axis, centre in zip(axes, centres, strict=True):
        at_centre = rows[(rows.tested_on == centre)]
        trained_here = at_centre.trained_on.map(lambda centres, c=centre: centres == (c,))
        at_centre = at_centre[(at_centre.model != LOCAL) | trained_here]
        groups = at_centre.groupby("model", sort=False)
        for place, (_, part) in enumerate(groups):
            values = part.groupby("patient")[metric].mean().dropna().to_numpy()
            spread = np.linspace(-0.15, 0.15, len(values))
            axis.plot(place + spread, values, ".", color="#1f6fb2", ms=4, alpha=0.7)
            if len(values):
                axis.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color="#1c2733", lw=1.5)
        axis.set_xticks(range(len(groups)), list(groups.groups), rotation=60, fontsize=6.5)
        axis.set(title=centre, ylabel=title)
    return to_svg(figure, "dots")

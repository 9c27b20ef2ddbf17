"""Figures of the report as inline SVG."""

import io
import re
from collections.abc import Sequence as SequenceOf

import matplotlib
import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from flame.core.imaging import Scan
from flame.evaluation.held_out import LEFT_OUT
from flame.evaluation.predictions import Predictions
from flame.federation.plan import FEDERATED, LOCAL, POOLED
from flame.models.inputs import Followed, Inputs

_COLOURS = {
    LOCAL: "#b58900", FEDERATED: "#1f6fb2", POOLED: "#777777",
    LEFT_OUT.format(FEDERATED): "#c0392b",
}  # fmt: skip


def _panels(count: int, height: float = 3.1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(3.4 * count, height), layout="constrained")
    return figure, [figure.add_subplot(1, count, i + 1) for i in range(count)]


def to_svg(figure: Figure, name: str) -> str:
    """Return the figure as an <svg> element; ids carry ``name`` so that figures do not clash."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)


def _shown(predictions: SequenceOf[Predictions], centre: str) -> list[Predictions]:
    """The models drawn at a centre: its own local one, federated, left-out and pooled."""
    return [
        p
        for p in predictions
        if p.tested_on == centre
        and p.model in _COLOURS
        and (p.model != LOCAL or p.trained_on == centre)
    ]


def roc_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """ROC curves per centre."""
    figure, axes = _panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        known = inputs.labelled
        if len(np.unique(inputs.response[known])) > 1:
            for p in _shown(predictions, inputs.centre):
                x, y, _ = roc_curve(inputs.response[known], p.mean[known])
                axis.plot(x, y, color=_COLOURS[p.model], lw=1.5, label=p.model)
            axis.legend(fontsize=6.5, loc="lower right", frameon=False)
        else:
            axis.text(0.5, 0.5, "one class only", ha="center")
        axis.set(title=inputs.centre, xlabel="1 − specificity", ylabel="sensitivity")
    return to_svg(figure, "roc")


def calibration_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Observed share of responders against predicted probability, in up to five groups."""
    figure, axes = _panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        for p in _shown(predictions, inputs.centre):
            known = inputs.labelled
            ordered = known[np.argsort(p.mean[known])]
            groups = np.array_split(ordered, max(1, min(5, len(ordered) // 8)))
            x = [p.mean[g].mean() for g in groups]
            y = [inputs.response[g].mean() for g in groups]
            axis.plot(x, y, "o-", color=_COLOURS[p.model], lw=1, ms=3.5, label=p.model)
        axis.legend(fontsize=6.5, loc="upper left", frameon=False)
        axis.set(title=inputs.centre, xlabel="predicted", ylabel="observed", xlim=(0, 1),
                 ylim=(-0.02, 1.02))  # fmt: skip
    return to_svg(figure, "calibration")


def survival_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Kaplan-Meier curves of predicted groups, by the model that never saw the centre.

    The cut is fixed on other patients: the share of responders in the training centres, or their
    mean risk.
    """
    figure, axes = _panels(len(cohort))
    chosen = LEFT_OUT.format(FEDERATED) if len(cohort) > 1 else FEDERATED
    survival = isinstance(cohort[0], Followed)
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.set(title=inputs.centre, xlabel="days", ylabel="alive", ylim=(0, 1.02))
        p = next(p for p in predictions if p.model == chosen and p.tested_on == inputs.centre)
        cut = _cut([i for i in cohort if i is not inputs] or [inputs])
        known = np.isfinite(inputs.survival_days)
        high = (p.mean >= cut)[known]
        days, died = inputs.survival_days[known], inputs.died[known]
        if not known.any():
            axis.text(0.5, 0.5, "no survival times", ha="center", transform=axis.transAxes)
            continue
        better, worse = ("low risk", "high risk") if survival else ("response", "none")
        for group, label, colour in ((high, better, "#1f6fb2"), (~high, worse, "#c0392b")):
            if group.any():
                fitter = KaplanMeierFitter().fit(days[group], died[group])
                curve = fitter.survival_function_.iloc[:, 0]
                axis.step(curve.index, curve, where="post", color=colour,
                          label=f"predicted {label} (n={int(group.sum())})")  # fmt: skip
        if high.any() and (~high).any():
            test = logrank_test(days[high], days[~high], died[high], died[~high])
            axis.text(0.97, 0.6, f"log-rank p = {test.p_value:.2g}", ha="right", fontsize=7,
                      transform=axis.transAxes)  # fmt: skip
        axis.legend(fontsize=6.5, loc="upper right", frameon=False)
    return to_svg(figure, "survival")


def _cut(training: SequenceOf[Inputs]) -> float:
    if isinstance(training[0], Followed):
        return 0.0  # features are standardised over the training centres
    return float(np.concatenate([i.response[i.labelled] for i in training]).mean())


def case_figure(scans: SequenceOf[Scan]) -> str:
    """Axial, coronal and sagittal slices of one case through its brightest enhancement."""
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
            axis.set_axis_off()
            if row == 0:
                axis.set_title(str(scan.sequence), color="white", fontsize=9)
    return to_svg(figure, "case")


def _smooth(voxels: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(voxels, 2))


def dots_figure(rows: pd.DataFrame, metric: str, title: str) -> str:
    """A dot a patient and the mean, by model, a panel a centre; ``rows`` as of patient_scores."""
    centres = list(dict.fromkeys(rows.tested_on))
    figure, axes = _panels(len(centres))
    for axis, centre in zip(axes, centres, strict=True):
        here = rows[(rows.tested_on == centre)]
        here = here[(here.model != LOCAL) | (here.trained_on == centre)]
        groups = here.groupby("model", sort=False)
        for place, (_, part) in enumerate(groups):
            values = part.groupby("patient")[metric].mean().dropna().to_numpy()
            spread = np.linspace(-0.15, 0.15, len(values))
            axis.plot(place + spread, values, ".", color="#1f6fb2", ms=4, alpha=0.7)
            if len(values):
                axis.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color="#1c2733", lw=1.5)
        axis.set_xticks(range(len(groups)), list(groups.groups), rotation=60, fontsize=6.5)
        axis.set(title=centre, ylabel=title)
    return to_svg(figure, "dots")

"""Figures of an external validation, one panel per hospital."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from flame.bundles.predictions import CURVE_DAYS
from flame.bundles.validation import Cohorts, Variant
from flame.evaluation.outcomes.figures import THRESHOLDS, net_benefit
from flame.evaluation.pages.figures import panels
from flame.models.regression.survival_curves import exits, kaplan_meier

Array = NDArray[np.float64]
Draw = Callable[[Axes, Cohorts, NDArray[np.intp]], None]
"""Draws the patients of one hospital, given by their indices."""

_COLOURS = ("#1f6fb2", "#c0392b", "#2a9d6f", "#b58900", "#6c4f9c", "#777777")
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
"""Line styles, so that figures also read without colours."""
_SMALL = 6.5
"""Font size of legends in points."""
_GROUP = 12
"""Patients of a group of the calibration curve, at least."""


def figures(cohorts: Cohorts) -> dict[str, tuple[str, Figure]]:
    """Draw all figures of a validation.

    Args:
        cohorts: patients and predictions.

    Returns:
        Title and figure by file name.
    """
    if cohorts.model.task.outcome == "survival":
        return {
            "survival": ("Survival by predicted risk, in thirds", _drawn(cohorts, _survival)),
            "calibration": (
                "Predicted and observed survival",
                _drawn(cohorts, _calibration_of_survival),
            ),
        }
    return {
        "calibration": (
            "Calibration: observed by predicted probability",
            _drawn(cohorts, _calibration, "upper left"),
        ),
        "roc": ("ROC curves", _drawn(cohorts, _roc, "lower right")),
        "decision": (
            "Decision curves: net benefit by threshold",
            _drawn(cohorts, _decision, "lower left"),
        ),
    }


def _styled(cohorts: Cohorts) -> list[tuple[Variant, dict[str, Any]]]:
    styles = zip(_COLOURS, _LINES, strict=True)
    return [
        (variant, {"color": colour, "ls": line, "label": variant.name, "lw": 1.3})
        for variant, (colour, line) in zip(cohorts.variants, styles, strict=False)
    ]


def _known(cohorts: Cohorts, index: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array]:
    response = cohorts.inputs.response[index].astype(float)
    inside = np.isfinite(response)
    return index[inside], response[inside]


def _drawn(cohorts: Cohorts, draw: Draw, legend: Any = "best") -> Figure:
    """Draw a panel per hospital, with the legend in the first."""
    places = cohorts.places()
    figure, axes = panels(len(places))
    for axis, (place, index) in zip(axes, places, strict=True):
        draw(axis, cohorts, index)
        axis.set(title=place)
    axes[0].legend(fontsize=_SMALL, loc=legend, frameon=False)
    return figure


def _calibration(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
    rows, response = _known(cohorts, index)
    for variant, style in _styled(cohorts):
        mean = variant.mean[rows]
        groups = np.array_split(np.argsort(mean), max(1, min(5, len(rows) // _GROUP)))
        if np.ptp(mean) < 1e-9:
            groups = [np.arange(len(rows))]
        x = [mean[g].mean() for g in groups]
        y = [response[g].mean() for g in groups]
        axis.plot(x, y, marker="o", ms=3.5, **style)
    axis.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(0, 1))


def _roc(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
    rows, response = _known(cohorts, index)
    if len(np.unique(response)) == 2:
        for variant, style in _styled(cohorts):
            x, y, _ = roc_curve(response, variant.mean[rows])
            axis.plot(x, y, **style)
    axis.set(xlabel="1 − specificity", ylabel="sensitivity")


def _decision(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    rows, response = _known(cohorts, index)
    everyone = net_benefit(response, np.ones(len(rows)), THRESHOLDS)
    axis.plot(THRESHOLDS, everyone, color="#999999", lw=1, label="all patients")
    axis.axhline(0, color="#cccccc", lw=0.8)
    for variant, style in _styled(cohorts):
        benefit = net_benefit(response, variant.mean[rows], THRESHOLDS)
        axis.plot(THRESHOLDS, benefit, **style)
    top = max(0.1, float(response.mean()) * 1.1)
    axis.set(xlabel="threshold", ylabel="net benefit", ylim=(-0.1, top))


def _survival(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    """Draw what was observed in each third of predicted risk, in lines of their own."""
    for number, (name, rows) in enumerate(_thirds(cohorts, index)):
        _observed(axis, cohorts, rows, color=_COLOURS[number], ls=_LINES[number], label=name)


def _calibration_of_survival(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    """Draw the mean predicted curve of each third, dashed, beside what was observed."""
    for number, (name, rows) in enumerate(_thirds(cohorts, index)):
        _observed(axis, cohorts, rows, color=_COLOURS[number], label=f"{name}, observed")
        if cohorts.variants[0].curves.size:
            mean = cohorts.variants[0].curves[rows].mean(axis=0)
            axis.plot(CURVE_DAYS, mean, color=_COLOURS[number], ls="--", label="predicted")


def _observed(axis: Axes, cohorts: Cohorts, rows: NDArray[np.intp], **style: Any) -> None:
    inputs = cohorts.inputs
    curve = kaplan_meier(exits(inputs.survival_days[rows], inputs.died[rows]))
    axis.step(np.append(0, curve.times), np.append(1, curve.alive), where="post", **style)
    axis.set(xlabel="days", ylabel="share alive", ylim=(0, 1.02))


def _thirds(cohorts: Cohorts, index: NDArray[np.intp]) -> list[tuple[str, NDArray[np.intp]]]:
    """Split patients of known survival into thirds by predicted risk, the lowest first."""
    known = index[np.isfinite(cohorts.inputs.survival_days[index])]
    ordered = known[np.argsort(-cohorts.variants[0].mean[known], kind="stable")]
    names = ("low risk", "middle", "high risk")
    return list(zip(names, np.array_split(ordered, 3), strict=True))

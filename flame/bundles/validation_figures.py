"""Figures of an external validation, one panel per hospital."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flame.bundles.predictions import CURVE_DAYS
from flame.bundles.validation import Cohorts, Variant
from flame.evaluation.outcomes import curves
from flame.evaluation.pages.figures import legend_beside, panels, survival_curve
from flame.models.regression.survival_curves import exits, kaplan_meier

Array = NDArray[np.float64]
Draw = Callable[[Axes, Cohorts, NDArray[np.intp]], None]
"""Draws the patients of one hospital, given by their indices."""

COLOURS = ("#1f6fb2", "#c0392b", "#1c7a54", "#8a6500", "#6c4f9c", "#666666")
"""Colour of each prediction, the model itself first."""
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
"""Line styles, so that figures also read without colours."""


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
            _drawn(cohorts, _calibration),
        ),
        "roc": ("ROC curves", _drawn(cohorts, _roc)),
        "decision": ("Decision curves: net benefit by threshold", _drawn(cohorts, _decision)),
    }


def _styled(cohorts: Cohorts) -> list[tuple[Variant, dict[str, Any]]]:
    styles = zip(COLOURS, _LINES, strict=True)
    return [
        (variant, {"color": colour, "ls": line, "label": variant.name, "lw": 1.3})
        for variant, (colour, line) in zip(cohorts.variants, styles, strict=False)
    ]


def _known(cohorts: Cohorts, index: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array]:
    response = cohorts.inputs.response[index].astype(float)
    inside = np.isfinite(response)
    return index[inside], response[inside]


def _drawn(cohorts: Cohorts, draw: Draw) -> Figure:
    """Draw a panel per hospital, with the legend beside."""
    places = cohorts.places()
    figure, axes = panels(len(places), 3.6)
    for axis, (place, index) in zip(axes, places, strict=True):
        draw(axis, cohorts, index)
        axis.set(title=place)
    legend_beside(figure, axes)
    return figure


def _calibration(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
    rows, response = _known(cohorts, index)
    for number, (variant, style) in enumerate(_styled(cohorts)):
        curves.calibration(axis, response, variant.mean[rows], number == 0, **style)


def _roc(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
    rows, response = _known(cohorts, index)
    if len(np.unique(response)) == 2:
        for number, (variant, style) in enumerate(_styled(cohorts)):
            curves.roc(axis, response, variant.mean[rows], number == 0, **style)


def _decision(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    rows, response = _known(cohorts, index)
    curves.decision(axis, response)
    for variant, style in _styled(cohorts):
        benefit = curves.net_benefit(response, variant.mean[rows], curves.THRESHOLDS)
        axis.plot(curves.THRESHOLDS, benefit, **style)


def _survival(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    """Draw what was observed in each third of predicted risk, in lines of their own."""
    inputs = cohorts.inputs
    groups = {
        name: (
            inputs.survival_days[rows],
            inputs.died[rows],
            {"color": COLOURS[number], "ls": _LINES[number]},
        )
        for number, (name, rows) in enumerate(_thirds(cohorts, index))
    }
    curves.survival(axis, groups)
    axis.set(ylabel="share alive")


def _calibration_of_survival(axis: Axes, cohorts: Cohorts, index: NDArray[np.intp]) -> None:
    """Draw the mean predicted curve of each third, dashed, beside what was observed."""
    for number, (name, rows) in enumerate(_thirds(cohorts, index)):
        _observed(axis, cohorts, rows, color=COLOURS[number], label=f"{name}, observed")
        if cohorts.variants[0].curves.size:
            mean = cohorts.variants[0].curves[rows].mean(axis=0)
            axis.plot(CURVE_DAYS, mean, color=COLOURS[number], ls="--", label="predicted")


def _observed(axis: Axes, cohorts: Cohorts, rows: NDArray[np.intp], **style: Any) -> None:
    inputs = cohorts.inputs
    curve = kaplan_meier(exits(inputs.survival_days[rows], inputs.died[rows]))
    survival_curve(axis, curve, **style)
    axis.set(xlabel="days", ylabel="share alive", ylim=(0, 1.02))


def _thirds(cohorts: Cohorts, index: NDArray[np.intp]) -> list[tuple[str, NDArray[np.intp]]]:
    """Split patients of known survival into thirds by predicted risk, the lowest first."""
    known = index[np.isfinite(cohorts.inputs.survival_days[index])]
    ordered = known[np.argsort(-cohorts.variants[0].mean[known], kind="stable")]
    names = ("low risk", "middle", "high risk")
    return list(zip(names, np.array_split(ordered, 3), strict=True))

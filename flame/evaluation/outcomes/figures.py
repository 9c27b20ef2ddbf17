"""Figures of response and survival models as inline SVG, mostly with one panel per centre."""

from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from typing import Any

import numpy as np
import pandas as pd
from lifelines.statistics import logrank_test
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flame.evaluation.metrics.estimates import auc_estimate, averaged, calibration_estimates
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.evaluation.outcomes import curves
from flame.evaluation.outcomes.adaptation import AS_IT_IS, RECALIBRATED, TUNED
from flame.evaluation.outcomes.effects import Effect
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.evaluation.pages.figures import (
    MODEL_COLOURS,
    MODEL_LINES,
    legend_beside,
    panels,
    to_svg,
)
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]


def shown(predictions: SequenceOf[Predictions], centre: str) -> list[Predictions]:
    """Select the predictions that are drawn at a centre.

    Args:
        predictions: predictions of all models.
        centre: test centre.

    Returns:
        Predictions of the local model of the centre, of the personalised, federated and pooled
        models, and of the federated model that was trained without the centre.
    """
    return [
        p
        for p in predictions
        if p.tested_on == centre
        and p.model in MODEL_COLOURS
        and (p.model != LOCAL or p.trained_on == (centre,))
    ]


_SHORT = {
    LOCAL: "local",
    FEDERATED: "federated",
    PERSONALISED: "personalised",
    POOLED: "pooled",
    UNSEEN: "unseen",
}
"""Short name of each model beside a number."""


def _main(cohort: SequenceOf[Inputs]) -> str:
    """Return the model whose curves have bands."""
    return UNSEEN if len(cohort) > 1 else FEDERATED


def _by_centre(
    predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs], name: str, draw: "_Draw"
) -> str:
    """Draw one panel for each centre, of patients of known response, with the legend beside."""
    figure, axes = panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        known = inputs.labelled
        response = inputs.response[known].astype(float)
        draw(axis, response, known, shown(predictions, inputs.centre))
        axis.set(title=inputs.centre)
    legend_beside(figure, axes)
    return to_svg(figure, name)


_Draw = Callable[[Axes, Array, NDArray[np.intp], list[Predictions]], None]


def _number(axis: Axes, row: int, text: str, colour: str) -> None:
    """Write the number of a model into a corner of its panel."""
    axis.text(
        0.97,
        0.06 + 0.07 * row,
        text,
        ha="right",
        fontsize=7,
        color=colour,
        transform=axis.transAxes,
    )


def roc_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw the ROC curves of each centre.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """

    def draw(
        axis: Axes, response: Array, known: NDArray[np.intp], models: list[Predictions]
    ) -> None:
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        if len(np.unique(response)) < 2:
            axis.text(0.5, 0.5, "one class only", ha="center")
            return
        for row, p in enumerate(models):
            colour = MODEL_COLOURS[p.model]
            band = p.model == _main(cohort)
            style = {"color": colour, "ls": MODEL_LINES[p.model], "label": p.model}
            curves.roc(axis, response, p.mean[known], band, lw=1.5, **style)
            auc = auc_estimate(response, p.by_seed[:, known], p.folds[:, known]).value
            _number(axis, row, f"{_SHORT[p.model]} {auc:.2f}", colour)

    return _by_centre(predictions, cohort, "roc", draw)


def calibration_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw the observed share of responders by predicted probability, in up to five groups.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """

    def draw(
        axis: Axes, response: Array, known: NDArray[np.intp], models: list[Predictions]
    ) -> None:
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        for p in models:
            band = p.model == _main(cohort)
            style: dict[str, Any] = {"color": MODEL_COLOURS[p.model], "ls": MODEL_LINES[p.model]}
            style["lw"] = 1.6 if band else 0.9
            curves.calibration(axis, response, p.mean[known], band, label=p.model, **style)
            if band:
                each = [calibration_estimates(response, seed[known])[0] for seed in p.by_seed]
                slope = averaged(each)
                if np.isfinite(slope.value):
                    _number(axis, 1, f"slope {slope.value:.2f}", MODEL_COLOURS[p.model])

    return _by_centre(predictions, cohort, "calibration", draw)


def decision_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw decision curves: net benefit by threshold, compared with treating all or no patients.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """

    def draw(
        axis: Axes, response: Array, known: NDArray[np.intp], models: list[Predictions]
    ) -> None:
        curves.decision(axis, response)
        for p in models:
            benefit = curves.net_benefit(response, p.mean[known], curves.THRESHOLDS)
            style: dict[str, Any] = {"color": MODEL_COLOURS[p.model], "ls": MODEL_LINES[p.model]}
            axis.plot(curves.THRESHOLDS, benefit, lw=1.2, label=p.model, **style)

    return _by_centre(predictions, cohort, "decision", draw)


def survival_figure(
    outcome: Outcome, predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]
) -> str:
    """Draw Kaplan-Meier curves of the groups that the federated model predicts at held-out centres.

    The cut between the groups does not depend on the test patient, see ``Outcome.cuts``. With a
    single centre the federated model is cross-validated.

    Args:
        outcome: kind of outcome.
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """
    figure, axes = panels(len(cohort), 3.6)
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.set(title=inputs.centre, ylabel="event-free probability")
        p = next(p for p in predictions if (p.model, p.tested_on) == (_main(cohort), inputs.centre))
        cut = outcome.cuts(p, list(cohort)).mean(axis=0)
        known = np.isfinite(inputs.survival_days)
        if known.any():
            high = (p.mean >= cut)[known]
            _groups(axis, inputs.survival_days[known], inputs.died[known], high, outcome.groups)
        else:
            axis.text(0.5, 0.5, "no survival times", ha="center", transform=axis.transAxes)
    legend_beside(figure, axes)
    return to_svg(figure, "survival")


def _groups(
    axis: Axes, days: Array, died: Array, high: NDArray[np.bool_], names: tuple[str, str]
) -> None:
    styles = ({"color": "#5b4a9c", "ls": "-"}, {"color": "#a34a00", "ls": "--"})
    parts = zip((high, ~high), names, styles, strict=True)
    curves.survival(
        axis,
        {f"predicted {name}": (days[group], died[group], style) for group, name, style in parts},
    )
    if high.any() and (~high).any():
        test = logrank_test(days[high], days[~high], died[high], died[~high])
        text = f"log-rank p = {test.p_value:.2g}"
        axis.text(0.97, 0.92, text, ha="right", fontsize=7, transform=axis.transAxes)


def effects_figure(effects: SequenceOf[Effect], unit: str, most: int = 15) -> str:
    """Draw one bar for each feature, largest effects on top, and one dot for each centre.

    Args:
        effects: effects of features.
        unit: label of the horizontal axis.
        most: largest number of features that are drawn.

    Returns:
        The figure as an SVG element.
    """
    ordered = sorted(effects, key=lambda e: abs(e.mean))[-most:]
    figure = Figure(figsize=(7, 0.6 + 0.26 * len(ordered)), layout="constrained")
    axis = figure.add_subplot()
    colours = ["#1f6fb2" if e.mean >= 0 else "#c0392b" for e in ordered]
    axis.barh(range(len(ordered)), [e.mean for e in ordered], color=colours, alpha=0.6)
    for place, effect in enumerate(ordered):
        axis.plot(effect.by_centre, [place] * len(effect.by_centre), ".", color="#1c2733", ms=4)
    axis.axvline(0, color="#777777", lw=0.8)
    axis.set_yticks(range(len(ordered)), [e.feature for e in ordered], fontsize=7)
    axis.set_xlabel(unit, fontsize=8)
    told = ", ".join(f"{e.feature} {e.mean:+.3g}" for e in reversed(ordered))
    return to_svg(figure, "effects", f"{unit}: {told}")


_WAYS = {AS_IT_IS: "#777777", RECALIBRATED: "#1f6fb2", TUNED: "#c0392b"}
"""Colour of each way to adapt a model."""


def adaptation_figure(adapted: pd.DataFrame) -> str:
    """Draw the Brier score by number of patients adapted on: mean over draws and middle 90 %.

    Args:
        adapted: table of ``adaptation``.

    Returns:
        The figure as an SVG element.
    """
    centres = list(dict.fromkeys(adapted.centre))
    figure, axes = panels(len(centres))
    sizes = sorted(set(adapted.n))
    for axis, centre in zip(axes, centres, strict=True):
        for place, mean, spread, way in _ways(adapted[adapted.centre == centre], sizes):
            axis.errorbar(
                place, mean, spread, fmt="o-", ms=4, lw=1.3, capsize=3, color=_WAYS[way], label=way
            )
        axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        axis.set(title=centre, xlabel="patients used for adaptation", ylabel="Brier score")
        axis.set_xlim(-0.5, len(sizes) - 0.5)
    legend_beside(figure, axes)
    return to_svg(figure, "adaptation")


def _ways(table: pd.DataFrame, sizes: list[int]) -> Iterator[tuple[Array, Array, Array, str]]:
    """Return place, mean and distance to the ends of the middle 90 % for each way to adapt.

    The ways stand side by side, so that all are seen even where all have one number of patients.
    """
    ways = [w for w in _WAYS if w in set(table.way)]
    for number, way in enumerate(ways):
        by_n = table[table.way == way].groupby("n").brier
        mean = by_n.mean()
        places = np.array([sizes.index(n) for n in mean.index], float)
        ends = np.array([mean - by_n.quantile(0.05), by_n.quantile(0.95) - mean])
        shift = 0.12 * (number - (len(ways) - 1) / 2)
        yield places + shift, mean.to_numpy(), np.maximum(ends, 0), way

"""Figures of response and survival models as inline SVG, mostly with one panel per centre."""

from collections.abc import Sequence as SequenceOf

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from flame.evaluation.metrics.generalisation import UNSEEN
from flame.evaluation.outcomes.adaptation import AS_IT_IS, RECALIBRATED, TUNED
from flame.evaluation.outcomes.effects import Effect
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.evaluation.pages.figures import panels, to_svg
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]

_COLOURS = {
    LOCAL: "#b58900",
    FEDERATED: "#1f6fb2",
    PERSONALISED: "#2a9d6f",
    POOLED: "#777777",
    UNSEEN: "#c0392b",
}
_SMALL = 6.5
"""Font size of legends in points."""


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
        and p.model in _COLOURS
        and (p.model != LOCAL or p.trained_on == (centre,))
    ]


def roc_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw the ROC curves of each centre.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """
    figure, axes = panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        known = inputs.labelled
        if len(np.unique(inputs.response[known])) > 1:
            for p in shown(predictions, inputs.centre):
                x, y, _ = roc_curve(inputs.response[known], p.mean[known])
                axis.plot(x, y, color=_COLOURS[p.model], lw=1.5, label=p.model)
            axis.legend(fontsize=_SMALL, loc="lower right", frameon=False)
        else:
            axis.text(0.5, 0.5, "one class only", ha="center")
        axis.set(title=inputs.centre, xlabel="1 − specificity", ylabel="sensitivity")
    return to_svg(figure, "roc")


def calibration_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw the observed share of responders by predicted probability, in up to five groups.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """
    figure, axes = panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.plot([0, 1], [0, 1], color="#cccccc", lw=0.8)
        for p in shown(predictions, inputs.centre):
            known = inputs.labelled
            ordered = known[np.argsort(p.mean[known])]
            groups = np.array_split(ordered, max(1, min(5, len(ordered) // 8)))
            x = [p.mean[g].mean() for g in groups]
            y = [inputs.response[g].mean() for g in groups]
            axis.plot(x, y, "o-", color=_COLOURS[p.model], lw=1, ms=3.5, label=p.model)
        axis.legend(fontsize=_SMALL, loc="upper left", frameon=False)
        axis.set(
            title=inputs.centre,
            xlabel="predicted",
            ylabel="observed",
            xlim=(0, 1),
            ylim=(-0.02, 1.02),
        )
    return to_svg(figure, "calibration")


THRESHOLDS = np.linspace(0.05, 0.95, 91)
"""Probability thresholds at which net benefit is drawn."""


def net_benefit(response: Array, probability: Array, thresholds: Array) -> Array:
    """Compute the net benefit of classifying as responders all patients from a threshold on.

    Net benefit = (true positives - false positives * t / (1 - t)) / n at threshold t.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        probability: (n,) predicted probabilities.
        thresholds: (t,) thresholds below 1.

    Returns:
        (t,) net benefit at each threshold.

    Reference:
        Vickers 2006, doi:10.1177/0272989X06295361.

    Example:
        >>> response, probability = np.array([1.0, 0.0]), np.array([0.8, 0.6])
        >>> net_benefit(response, probability, np.array([0.2, 0.5, 0.7]))
        array([0.375, 0.   , 0.5  ])
    """
    called = probability[:, None] >= thresholds
    true_positives = (called & (response > 0.5)[:, None]).mean(axis=0)
    false_positives = (called & (response < 0.5)[:, None]).mean(axis=0)
    return np.asarray(true_positives - false_positives * thresholds / (1 - thresholds))


def decision_figure(predictions: SequenceOf[Predictions], cohort: SequenceOf[Inputs]) -> str:
    """Draw decision curves: net benefit by threshold, compared with treating all or no patients.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.

    Returns:
        The figure as an SVG element.
    """
    figure, axes = panels(len(cohort))
    for axis, inputs in zip(axes, cohort, strict=True):
        known = inputs.labelled
        response = inputs.response[known].astype(float)
        everyone = net_benefit(response, np.ones(len(known)), THRESHOLDS)
        axis.plot(THRESHOLDS, everyone, color="#999999", lw=1, label="all patients")
        axis.axhline(0, color="#cccccc", lw=0.8)
        for p in shown(predictions, inputs.centre):
            benefit = net_benefit(response, p.mean[known], THRESHOLDS)
            axis.plot(THRESHOLDS, benefit, color=_COLOURS[p.model], lw=1.2, label=p.model)
        axis.legend(fontsize=_SMALL, loc="lower left", frameon=False)
        axis.set(
            title=inputs.centre,
            xlabel="threshold",
            ylabel="net benefit",
            ylim=(-0.1, max(0.1, response.mean() * 1.1)),
        )
    return to_svg(figure, "decision")


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
    figure, axes = panels(len(cohort))
    chosen = UNSEEN if len(cohort) > 1 else FEDERATED
    for axis, inputs in zip(axes, cohort, strict=True):
        axis.set(
            title=inputs.centre, xlabel="days", ylabel="event-free probability", ylim=(0, 1.02)
        )
        p = next(p for p in predictions if p.model == chosen and p.tested_on == inputs.centre)
        cut = outcome.cuts(p, list(cohort)).mean(axis=0)
        known = np.isfinite(inputs.survival_days)
        if known.any():
            high = (p.mean >= cut)[known]
            _groups(axis, inputs.survival_days[known], inputs.died[known], high, outcome.groups)
        else:
            axis.text(0.5, 0.5, "no survival times", ha="center", transform=axis.transAxes)
    return to_svg(figure, "survival")


def _groups(
    axis: Axes, days: Array, died: Array, high: NDArray[np.bool_], names: tuple[str, str]
) -> None:
    for group, label, colour in ((high, names[0], "#1f6fb2"), (~high, names[1], "#c0392b")):
        if group.any():
            fitter = KaplanMeierFitter().fit(days[group], died[group])
            curve = fitter.survival_function_.iloc[:, 0]
            axis.step(
                curve.index,
                curve,
                where="post",
                color=colour,
                label=f"predicted {label} (n={int(group.sum())})",
            )
    if high.any() and (~high).any():
        test = logrank_test(days[high], days[~high], died[high], died[~high])
        axis.text(
            0.97,
            0.6,
            f"log-rank p = {test.p_value:.2g}",
            ha="right",
            fontsize=7,
            transform=axis.transAxes,
        )
    axis.legend(fontsize=_SMALL, loc="upper right", frameon=False)


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
    return to_svg(figure, "effects")


def adaptation_figure(adapted: pd.DataFrame) -> str:
    """Draw the Brier score by number of patients adapted on: mean over draws and middle 90 %.

    Args:
        adapted: table of ``adaptation``.

    Returns:
        The figure as an SVG element.
    """
    centres = list(dict.fromkeys(adapted.centre))
    figure, axes = panels(len(centres))
    colours = {AS_IT_IS: "#777777", RECALIBRATED: "#1f6fb2", TUNED: "#c0392b"}
    for axis, centre in zip(axes, centres, strict=True):
        for way, part in adapted[adapted.centre == centre].groupby("way", sort=False):
            by_n = part.groupby("n").brier
            mean = by_n.mean()
            low = by_n.quantile(0.05)
            high = by_n.quantile(0.95)
            colour = colours[str(way)]
            axis.plot(mean.index, mean, "o-", ms=3, lw=1.5, color=colour, label=str(way))
            axis.fill_between(mean.index, low, high, color=colour, alpha=0.12)
        axis.set(title=centre, xlabel="patients used for adaptation", ylabel="Brier score")
        axis.legend(fontsize=_SMALL, frameon=False)
    return to_svg(figure, "adaptation")

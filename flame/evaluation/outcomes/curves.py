"""Curves of response and survival models, each drawn on the axes of one hospital."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

from flame.evaluation.pages.figures import survival_curve
from flame.models.regression.survival_curves import exits, kaplan_meier

Array = NDArray[np.float64]

THRESHOLDS = np.linspace(0.05, 0.95, 91)
"""Probability thresholds at which net benefit is drawn."""
_GRID = np.linspace(0, 1, 51)
"""False-positive rates at which the band of a ROC curve is drawn."""
_RESAMPLES = 200
"""Bootstrap samples of the band of a ROC curve."""
_GROUP = 8
"""Least number of patients in a group of a calibration curve."""
_NUMBERS = 6.5
"""Font size of numbers within a panel, in points."""


def roc(axis: Axes, response: Array, predicted: Array, band: bool, **style: Any) -> None:
    """Draw a ROC curve.

    Args:
        axis: axes to draw on.
        response: (n,) 1 for responders, 0 for the others; both must occur.
        predicted: (n,) predictions; higher for responders.
        band: whether to draw a pointwise 95 % band of the sensitivity, by the bootstrap over
            responders and over the others.
        **style: options of the line.
    """
    x, y, _ = roc_curve(response, predicted)
    axis.plot(x, y, **style)
    axis.set(xlabel="1 − specificity", ylabel="sensitivity")
    if band:
        low, high = np.quantile(_resampled(response, predicted), [0.025, 0.975], axis=0)
        axis.fill_between(_GRID, low, high, color=style.get("color"), alpha=0.12, lw=0)


def _resampled(response: Array, predicted: Array) -> Array:
    """Return the sensitivity (resamples, grid) at each false-positive rate of the grid."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(response > 0.5), np.flatnonzero(response < 0.5)]
    curves = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        x, y, _ = roc_curve(response[rows], predicted[rows], drop_intermediate=False)
        # The last point of a vertical step stands for it; between points the curve is straight.
        last = np.append(x[1:] > x[:-1], True)
        curves.append(np.interp(_GRID, x[last], y[last]))
    return np.array(curves)


def calibration(axis: Axes, response: Array, predicted: Array, band: bool, **style: Any) -> None:
    """Draw the observed share of responders by predicted probability, in up to five groups.

    Args:
        axis: axes to draw on.
        response: (n,) 1 for responders, 0 for the others.
        predicted: (n,) predicted probabilities.
        band: whether to draw the Wilson 95 % interval of each group, and its number of patients.
        **style: options of the line.
    """
    axis.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(-0.02, 1.02))
    ordered = np.argsort(predicted, kind="stable")
    groups = np.array_split(ordered, max(1, min(5, len(ordered) // _GROUP)))
    if np.ptp(predicted) < 1e-9:
        groups = [ordered]
    x = np.array([predicted[g].mean() for g in groups])
    y = np.array([response[g].mean() for g in groups])
    axis.plot(x, y, marker="o", ms=3.5, **style)
    if not band:
        return
    for at, group in zip(x, groups, strict=True):
        tested = binomtest(int(response[group].sum()), len(group))
        low, high = tested.proportion_ci(method="wilson")
        axis.plot([at, at], [low, high], color=style.get("color"), lw=0.9, alpha=0.7)
        axis.text(at, 0.01, f"{len(group)}", ha="center", fontsize=_NUMBERS, color="#4b5966")


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


def decision(axis: Axes, response: Array) -> None:
    """Prepare axes for decision curves, with those of treating all and no patients.

    Args:
        axis: axes to draw on.
        response: (n,) 1 for responders, 0 for the others.
    """
    everyone = net_benefit(response, np.ones(len(response)), THRESHOLDS)
    axis.plot(THRESHOLDS, everyone, color="#999999", lw=1, label="all patients")
    axis.axhline(0, color="#cccccc", lw=0.8)
    top = max(0.1, float(response.mean()) * 1.1) if len(response) else 0.1
    axis.set(xlabel="threshold", ylabel="net benefit", ylim=(-0.1, top))


def survival(axis: Axes, groups: Mapping[str, tuple[Array, Array, dict[str, Any]]]) -> None:
    """Draw Kaplan-Meier curves with 95 % bands, and the numbers at risk below them.

    Args:
        axis: axes to draw on.
        groups: days (n,), events (n,) and options of the line of each group, by its name.
    """
    axis.set(ylim=(0, 1.02))
    axis.set_xlabel("days; below: patients at risk", labelpad=8 + 9 * len(groups))
    for name, (days, died, style) in groups.items():
        if len(days) == 0:
            continue
        curve = kaplan_meier(exits(days, died))
        survival_curve(axis, curve, band=0.12, label=name, **style)
    axis.set_xlim(left=0)
    ticks = [t for t in axis.get_xticks() if 0 <= t <= axis.get_xlim()[1]]
    for row, (days, _, style) in enumerate(groups.values()):
        for tick in ticks:
            axis.annotate(
                f"{int((days >= tick).sum())}",
                (tick, 0),
                (0, -24 - 9 * row),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=_NUMBERS,
                color=style.get("color"),
            )

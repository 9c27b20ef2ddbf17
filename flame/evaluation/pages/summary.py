"""The beginning of a report: what it shows in words, and a forest plot over hospitals."""

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.metrics.generalisation import (
    UNSEEN,
    OverCentres,
    at_centre,
    over_centres,
)
from flame.evaluation.metrics.metric import METRICS, Metric
from flame.evaluation.pages.figures import MODEL_COLOURS, to_svg
from flame.evaluation.pages.sections import Section
from flame.federation.trainings import FEDERATED, LOCAL

_DRAWN = (UNSEEN, FEDERATED, LOCAL)
"""Models of the forest plot, where the run has them."""
_TITLES = {UNSEEN: "federated, never saw the hospital", LOCAL: "hospital alone"}


def in_words(report: GeneralisationReport) -> str:
    """Say what a run shows at hospitals that the model never saw, and against each one alone.

    Args:
        report: scores of the run.

    Returns:
        A few sentences on the main metric.
    """
    measure = METRICS[report.metric]
    scores = {centre: at_centre(report, report.metric, centre) for centre in report.centres}
    main = UNSEEN if any(UNSEEN in s for s in scores.values()) else FEDERATED
    known = {c: s[main] for c, s in scores.items() if main in s and np.isfinite(s[main].value)}
    if not known:
        return f"{measure.title} of the federated model is not defined at any hospital."
    what = "Tested at hospitals that it never saw" if main == UNSEEN else "Cross-validated"
    values = [s.value for s in known.values()]
    text = [
        f"{what}, the federated model reaches {_ends(values)} ({measure.title})"
        f"{_chance(known, measure)}."
    ]
    alone = [s[LOCAL].value for c, s in scores.items() if c in known and LOCAL in s]
    federated = [s[FEDERATED].value for s in scores.values() if FEDERATED in s]
    if np.isfinite([*alone, *federated]).all() and alone and federated:
        text.append(
            f"On average over hospitals, a model that was also trained there has "
            f"{np.mean(federated):.2f}, and each hospital's own model {np.mean(alone):.2f}."
        )
    return " ".join(text)


def _ends(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{min(values):.2f} to {max(values):.2f} at {len(values)} hospitals"


def _chance(known: dict[str, CentreScore], measure: Metric) -> str:
    if measure.chance is None:
        return ""
    better = [c for c, s in known.items() if s.low > measure.chance]
    if len(known) == 1:
        return ": better than chance" if better else ": not shown to be better than chance"
    names = f" ({', '.join(better)})" if 0 < len(better) < len(known) else ""
    return f"; the whole interval is better than chance at {len(better)} of them{names}"


def forest_section(report: GeneralisationReport) -> Section:
    """Build the section with the forest plot.

    Args:
        report: scores of the run.

    Returns:
        The section, without a table.
    """
    measure = METRICS[report.metric]
    note = (
        f"{measure.title} with 95 % intervals at each hospital. Diamonds: mean over hospitals "
        "(random effects), where each hospital has an interval."
    )
    return Section("forest", "At a glance", note, figure=Markup(_forest(report, measure)))


def _forest(report: GeneralisationReport, measure: Metric) -> str:
    lines: list[tuple[str, str, float, float, float]] = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        for s in (scores[m] for m in _DRAWN if m in scores and np.isfinite(scores[m].value)):
            lines.append((centre, s.model, s.value, s.low, s.high))
    pooled = {o.model: o for o in over_centres(report)} if len(report.centres) > 1 else {}
    lines += [
        _mean(pooled[m]) for m in _DRAWN if m in pooled and np.isfinite(pooled[m].effects.low)
    ]
    figure = Figure(figsize=(9, 0.9 + 0.27 * max(len(lines), 2)), layout="constrained")
    axis = figure.add_subplot()
    if measure.chance is not None:
        axis.axvline(measure.chance, color="#999999", lw=1, ls="--")
    for place, (where, model, value, low, high) in enumerate(lines):
        colour, is_mean = MODEL_COLOURS[model], where == _MEAN
        axis.plot([low, high], [place] * 2, color=colour, lw=1.6)
        axis.plot(value, place, "D" if is_mean else "s", color=colour, ms=6 if is_mean else 5)
        shown = f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(low) else f"{value:.2f}"
        axis.annotate(
            shown, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8
        )
        if place and lines[place - 1][0] != where:
            axis.axhline(place - 0.5, color="#e3e8ee", lw=0.8)
    firsts = [i for i, line in enumerate(lines) if not i or lines[i - 1][0] != line[0]]
    axis.set_yticks(firsts, [lines[i][0] for i in firsts], fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.set(ylim=(len(lines) - 0.4, -0.6), xlabel=measure.title)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    drawn = dict.fromkeys(model for _, model, *_ in lines)
    handles = [
        Line2D([], [], color=MODEL_COLOURS[m], marker="s", ms=5, label=_TITLES.get(m, m))
        for m in drawn
    ]
    figure.legend(handles=handles, fontsize=8, loc="outside upper left", ncols=3, frameon=False)
    return to_svg(figure, "forest")


_MEAN = "mean over hospitals"


def _mean(over: OverCentres) -> tuple[str, str, float, float, float]:
    effects = over.effects
    return _MEAN, over.model, effects.mean, effects.low, effects.high

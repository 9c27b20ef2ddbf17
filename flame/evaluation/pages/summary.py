"""The beginning of a report: what it shows in words, and a forest plot over hospitals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flame.core.scores import GeneralisationReport
from flame.evaluation.metrics.generalisation import TRAINED, UNSEEN, at_centre, over_centres
from flame.evaluation.metrics.metric import METRICS, Metric
from flame.evaluation.pages.figures import MODEL_COLOURS, MODEL_MARKERS, to_svg
from flame.evaluation.pages.sections import Section
from flame.federation.trainings import FEDERATED, LOCAL

_DRAWN = (UNSEEN, FEDERATED, LOCAL)
"""Models of the forest plot, where the run has them."""
_TITLES = {UNSEEN: "federated, never saw the hospital", LOCAL: "hospital alone"}
_MEAN = "mean over hospitals"


@dataclass(frozen=True)
class Line:
    """One line of a forest plot.

    Args:
        where: hospital, or "mean over hospitals".
        model: name of the model.
        value: its value; NaN where undefined.
        low: lower end of its interval.
        high: upper end of its interval.
        reason: why the value is undefined.
    """

    where: str
    model: str
    value: float
    low: float
    high: float
    reason: str = ""


def in_words(report: GeneralisationReport) -> str:
    """Say what a run shows at hospitals that the model never saw, and against simpler ones.

    Args:
        report: scores of the run.

    Returns:
        A few sentences on the main metric; the comparisons are of the same hospitals.
    """
    measure = METRICS[report.metric]
    scores = {centre: at_centre(report, report.metric, centre) for centre in report.centres}
    main = UNSEEN if any(UNSEEN in s for s in scores.values()) else FEDERATED
    known = {c: s[main] for c, s in scores.items() if main in s and np.isfinite(s[main].value)}
    if not known:
        return f"{measure.title} of the federated model is not defined at any hospital."
    what = "Tested at hospitals that it never saw" if main == UNSEEN else "Cross-validated"
    values = [s.value for s in known.values()]
    reached = f"{values[0]:.2f} at {next(iter(known))}"
    if len(values) > 1:
        reached = f"{min(values):.2f} to {max(values):.2f} at {len(values)} hospitals"
    text = f"{what}, the federated model reaches {reached} ({measure.title})"
    return text + _chance(report, main, measure) + _beside(report, main, list(known), measure)


def _chance(report: GeneralisationReport, main: str, measure: Metric) -> str:
    """Compare the mean over hospitals, or the value at the only one, with chance."""
    pooled = next((o.effects for o in over_centres(report) if o.model == main), None)
    if len(report.centres) == 1:
        score = at_centre(report, report.metric, report.centres[0])[main]
        low, high, shown = score.low, score.high, ""
    elif pooled is None or not np.isfinite(pooled.low):
        return _counted(report, main, measure)
    else:
        low, high = pooled.low, pooled.high
        shown = f", on average {pooled.mean:.2f}"
    if not np.isfinite(low):
        return f"{shown}."
    told = f"{shown} ({low:.2f} to {high:.2f})"
    if measure.chance is None:
        return f"{told}."
    better, worse = low > measure.chance, high < measure.chance
    if not measure.higher:
        better, worse = high < measure.chance, low > measure.chance
    if worse:
        return f"{told}: worse than chance."
    return f"{told}: {'better than chance' if better else 'not shown to be better than chance'}."


def _counted(report: GeneralisationReport, main: str, measure: Metric) -> str:
    """Count the hospitals that are better than chance, where the mean has no interval."""
    if measure.chance is None:
        return "."
    found = [at_centre(report, report.metric, c).get(main) for c in report.centres]
    known = [s for s in found if s is not None and np.isfinite(s.low)]
    better = sum(
        s.low > measure.chance if measure.higher else s.high < measure.chance for s in known
    )
    return f"; the whole interval is better than chance at {better} of {len(known)} that have one."


def _beside(report: GeneralisationReport, main: str, centres: list[str], measure: Metric) -> str:
    """Compare with the hospitals' own models and the best baseline at the same hospitals."""
    scores = {c: at_centre(report, report.metric, c) for c in centres}
    common = set.intersection(*(set(s) for s in scores.values()))
    means = {
        m: float(np.mean([s[m].value for s in scores.values()]))
        for m in common
        if np.isfinite([s[m].value for s in scores.values()]).all()
    }
    parts = []
    if FEDERATED in means and main != FEDERATED:
        parts.append(f"a federated model that was also trained there {means[FEDERATED]:.2f}")
    if LOCAL in means:
        own = "each hospital's own model" if len(centres) > 1 else "the hospital's own model"
        parts.append(f"{own} {means[LOCAL]:.2f}")
    plain = {m: v for m, v in means.items() if _is_baseline(report, m)}
    if plain:
        best = (max if measure.higher else min)(plain, key=lambda m: plain[m])
        parts.append(f"the best baseline ({best}) {plain[best]:.2f}")
    if not parts:
        return ""
    over = f" Plain means over {len(centres)} hospitals" if len(centres) > 1 else " There"
    also = " See the paired differences." if report.differences else ""
    return f"{over}: this model {means[main]:.2f}, {', '.join(parts)}.{also}"


def _is_baseline(report: GeneralisationReport, model: str) -> bool:
    return model not in TRAINED and any(d.against == model for d in report.differences)


def forest_section(report: GeneralisationReport) -> Section:
    """Build the section with the forest plot.

    Args:
        report: scores of the run.

    Returns:
        The section, without a table.
    """
    measure = METRICS[report.metric]
    note = f"{measure.title} with 95 % intervals at each hospital."
    lines = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        for s in (scores[m] for m in _DRAWN if m in scores):
            lines.append(Line(centre, s.model, s.value, s.low, s.high, s.reason))
    if len(report.centres) > 1:
        pooled = {o.model: o.effects for o in over_centres(report)}
        means = [m for m in _DRAWN if m in pooled and np.isfinite(pooled[m].low)]
        lines += [Line(_MEAN, m, pooled[m].mean, pooled[m].low, pooled[m].high) for m in means]
        note += " Larger markers: mean over hospitals (random effects), where it has an interval."
    styles = {m: (MODEL_COLOURS[m], MODEL_MARKERS[m]) for m in _DRAWN}
    return Section("forest", "At a glance", note, figure=Markup(forest(lines, styles, measure)))


def forest(lines: Sequence[Line], styles: Mapping[str, tuple[str, str]], measure: Metric) -> str:
    """Draw a forest plot.

    Args:
        lines: values from top to bottom; those of one hospital follow each other.
        styles: colour and marker of each model.
        measure: metric of the values, for its title and chance.

    Returns:
        The figure as an SVG element.
    """
    figure = Figure(figsize=(6.6, 0.9 + 0.25 * max(len(lines), 2)), layout="constrained")
    axis = figure.add_subplot()
    if measure.chance is not None:
        axis.axvline(measure.chance, color="#999999", lw=1, ls="--")
    for place, line in enumerate(lines):
        colour, marker = styles[line.model]
        axis.plot([line.low, line.high], [place] * 2, color=colour, lw=1.6)
        size = 8 if line.where == _MEAN else 5
        axis.plot(line.value, place, marker, color=colour, ms=size)
        axis.annotate(
            _number(line),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
        if place and lines[place - 1].where != line.where:
            axis.axhline(place - 0.5, color="#e3e8ee", lw=0.8)
    firsts = [i for i, x in enumerate(lines) if not i or lines[i - 1].where != x.where]
    axis.set_yticks(firsts, [lines[i].where for i in firsts], fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.set(ylim=(len(lines) - 0.4, -0.6), xlabel=measure.title)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    handles = [
        Line2D([], [], color=styles[m][0], marker=styles[m][1], ms=5, label=_TITLES.get(m, m))
        for m in dict.fromkeys(line.model for line in lines)
    ]
    figure.legend(handles=handles, fontsize=8, loc="outside upper left", ncols=3, frameon=False)
    told = "; ".join(f"{x.where}, {_TITLES.get(x.model, x.model)}: {_number(x)}" for x in lines)
    return to_svg(figure, "forest", f"{measure.title}: {told}")


def _number(line: Line) -> str:
    if not np.isfinite(line.value):
        return f"undefined: {line.reason}"
    if not np.isfinite(line.low):
        return f"{line.value:.2f}"
    return f"{line.value:.2f} ({line.low:.2f} to {line.high:.2f})"

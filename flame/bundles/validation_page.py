"""Page and LaTeX table of an external validation."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from flame.bundles.description import RESEARCH
from flame.bundles.validation import EVERYWHERE, Cohorts
from flame.bundles.validation_figures import COLOURS
from flame.bundles.validation_tables import RESPONSE_METRICS
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Section, figure_cell
from flame.evaluation.pages.summary import Line, forest


def render(
    cohorts: Cohorts,
    metrics: pd.DataFrame,
    differences: pd.DataFrame,
    subgroups: pd.DataFrame,
    drawn: dict[str, tuple[str, Figure]],
    warnings: list[str],
) -> str:
    """Render the page.

    Args:
        cohorts: patients and predictions.
        metrics: table of ``validation_tables.metrics``.
        differences: table of ``validation_tables.differences``.
        subgroups: table of ``validation_tables.subgroups``.
        drawn: title and figure by name.
        warnings: warnings about the patients.

    Returns:
        The page as HTML. It holds counts and figures, and no row of a patient.
    """
    model = cohorts.model
    texts = model.task.texts()
    sections = [
        _forest(cohorts, metrics),
        _metrics(metrics),
        *(
            Section(name, title, _CAPTIONS.get(name, ""), figure=Markup(to_svg(figure, name)))
            for name, (title, figure) in drawn.items()
        ),
        *([_differences(differences)] if len(differences) else []),
        *([_subgroups(subgroups)] if len(subgroups) else []),
    ]
    limits = [
        RESEARCH,
        f"Model {model.name}: {texts.training}. Outcome: {texts.outcome}.",
        "Nothing was trained on these patients. Refitted constants and slopes come from "
        "cross-validation at each hospital, and show what a local update would give.",
        "Intervals are 95 % over patients. Censoring-weighted figures assume that censoring does "
        "not depend on the outlook of a patient.",
        *texts.limits,
    ]
    title = f"External validation of {model.name}"
    words = verdict(cohorts, metrics)
    return page(model.config, title, cohorts.simulated, warnings, sections, limits, words)


_CAPTIONS = {
    "calibration": "Observed against predicted, in groups of equal size. Of the model itself: 95 % "
    "intervals, and below them the number of patients of each group.",
    "roc": "Band: pointwise 95 % of the model itself, by the bootstrap over patients. AUC with "
    "intervals: see the table.",
    "decision": "A model is useful where its curve lies above 0 and above the curve of all "
    "patients.",
    "survival": "Kaplan-Meier curves of thirds by predicted risk, with 95 % bands. Below the axis: "
    "patients at risk of each third, in its colour.",
}
"""What each figure shows."""
_MARKERS = ("o", "s", "^", "D", "v", "P")


def _forest(cohorts: Cohorts, metrics: pd.DataFrame) -> Section:
    """Build the section with the main metric of every prediction at each hospital."""
    measure = METRICS["c_index" if cohorts.model.task.outcome == "survival" else "auc"]
    rows = metrics[metrics.metric == measure.title].to_dict("records")
    names = list(dict.fromkeys(str(r["prediction"]) for r in rows))[: len(COLOURS)]
    styles = dict(zip(names, zip(COLOURS, _MARKERS, strict=True), strict=False))
    lines = [
        Line(str(r["hospital"]), str(r["prediction"]), r["value"], r["low"], r["high"], r["reason"])
        for r in rows
        if str(r["prediction"]) in styles
    ]
    note = f"{measure.title} with 95 % intervals over patients."
    return Section("forest", "At a glance", note, figure=Markup(forest(lines, styles, measure)))


def verdict(cohorts: Cohorts, metrics: pd.DataFrame) -> str:
    """Say in one sentence whether the model discriminates and is calibrated.

    Args:
        cohorts: patients and predictions.
        metrics: table of ``validation_tables.metrics``.

    Returns:
        The sentence, on all patients together.
    """
    places = set(metrics.hospital)
    place = EVERYWHERE if EVERYWHERE in places else next(iter(places))
    rows = metrics[(metrics.hospital == place) & (metrics.prediction == cohorts.variants[0].name)]
    by_metric = {r["metric"]: r for r in rows.to_dict("records")}
    survival = cohorts.model.task.outcome == "survival"
    main = METRICS["c_index" if survival else "auc"].title
    score, slope = by_metric[main], by_metric[METRICS["calibration slope"].title]
    if score["reason"]:
        return f"{main} is undefined: {score['reason']}."
    better = "better than chance" if score["low"] > 0.5 else "not shown to be better than chance"
    text = f"{main} {_shown(score)} in {score['n']} patients: {better}. "
    if slope["reason"]:
        return text + f"The calibration slope is undefined: {slope['reason']}."
    if slope["high"] < 1:
        spread = "predictions are too extreme"
    elif slope["low"] > 1:
        spread = "predictions are not extreme enough"
    else:
        spread = "the spread of predictions fits, as far as these patients can tell"
    return f"{text}Calibration slope {_shown(slope)}: {spread}."


def _shown(row: Mapping[Any, Any]) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _metrics(metrics: pd.DataFrame) -> Section:
    predictions = list(dict.fromkeys(metrics.prediction))
    rows: list[list[str | Cell]] = []
    for (place, metric), part in metrics.groupby(["hospital", "metric"], sort=False):
        cells = {r["prediction"]: r for r in part.to_dict("records")}
        first = next(iter(cells.values()))
        counts = f"{first['n']} ({first['events']})"
        rows.append([str(place), str(metric), counts, *(_cell(cells.get(p)) for p in predictions)])
    titles = {metric.title: metric.note for metric in (METRICS[n] for n in RESPONSE_METRICS)}
    shown = dict.fromkeys(metrics.metric)
    note = " ".join(f"{name}: {titles[name]}" for name in shown if name in titles)
    columns = ["hospital", "metric", "patients (events)", *predictions]
    return Section("metrics", "Metrics at each hospital", note, columns, rows)


def _cell(row: Mapping[Any, Any] | None) -> Cell:
    if row is None:
        return Cell("", empty=True)
    return figure_cell(row["value"], row["low"], row["high"], str(row["reason"]))


def _differences(table: pd.DataFrame) -> Section:
    rows: list[list[str | Cell]] = [
        [r["hospital"], r["less"], r["metric"], str(r["n"]), _cell(r)]
        for r in table.to_dict("records")
    ]
    note = "Of the same patients: the model less the other prediction, with a paired interval."
    columns = ["hospital", "less", "metric", "patients", "difference"]
    return Section("differences", "Compared with other predictions", note, columns, rows)


def _subgroups(table: pd.DataFrame) -> Section:
    names = list(dict.fromkeys(table.metric))
    rows: list[list[str | Cell]] = []
    for (group, name), part in table.groupby(["group", "subgroup"], sort=False):
        cells = {r["metric"]: r for r in part.to_dict("records")}
        n = str(next(iter(cells.values()))["n"])
        rows.append([str(group), str(name), n, *(_cell(cells.get(m)) for m in names)])
    note = "Over all hospitals; groups of fewer than ten patients are left out."
    return Section(
        "subgroups", "Subgroups", note, ["group", "subgroup", "patients", *names], rows, folded=True
    )


def latex(metrics: pd.DataFrame) -> str:
    """Return the table of metrics for a paper.

    Args:
        metrics: table of ``validation_tables.metrics``.

    Returns:
        A LaTeX table with one row per hospital and metric, for the package booktabs.
    """
    shown = metrics.assign(
        text=[
            f"{r['value']:.2f} ({r['low']:.2f}--{r['high']:.2f})" if not r["reason"] else "--"
            for r in metrics.to_dict("records")
        ]
    )
    wide = shown.pivot_table("text", ["hospital", "metric"], "prediction", "first", sort=False)
    heads = [_escaped(name) for name in ("hospital", "metric", *wide.columns)]
    lines = [" & ".join(heads) + r" \\", r"\midrule"]
    for cells in wide.fillna("--").reset_index().itertuples(index=False):
        lines.append(" & ".join(map(_escaped, cells)) + r" \\")
    body = "\n".join(lines)
    columns = "l" * len(heads)
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _escaped(text: object) -> str:
    """Escape what LaTeX would read as a command."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in str(text))

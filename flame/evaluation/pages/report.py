"""Report of a run for every task: cohorts, generalisation, differences and limitations."""

from typing import Any

import numpy as np

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.metrics.generalisation import TRAINED, at_centre, over_centres, verdict
from flame.evaluation.metrics.metric import METRICS, Metric
from flame.evaluation.metrics.random_effects import RandomEffects
from flame.evaluation.pages.checklist import checklist
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Evaluation, Section, figure_cell, headings
from flame.evaluation.pages.summary import forest_section, in_words
from flame.federation.task import Row, Task
from flame.federation.trainings import LOCAL, PERSONALISED

_COHORTS = "cohorts"
"""HTML id of the table of centres."""
_FEW = 30
"""Number of patients below which a centre gets a warning."""


def render(evaluation: Evaluation) -> str:
    """Render the report.

    Args:
        evaluation: content of the report.

    Returns:
        The report as HTML.
    """
    task = evaluation.task
    report = evaluation.report
    counts = evaluation.counts
    config = task.config
    rows = [[str(v) for v in row.values()] for row in counts]
    matrices = [matrix(report, name) for name in shown_metrics(task)]
    return page(
        config,
        task.title,
        report.simulated,
        [*evaluation.warnings, *_few(counts)],
        [
            forest_section(report),
            Section(_COHORTS, "Cohorts", "", headings(counts[0]), rows),
            *held_out_tables(report, task.texts().events),
            *matrices[:1],
            _differences(report, config.evaluation.margin),
            *evaluation.sections,
            *matrices[1:],
            checklist(task, report, counts),
        ],
        [
            *evaluation.limits,
            "Intervals reflect the sampling of test patients, not of training patients or seeds.",
            "Curves and dots of small groups can reveal single patients; share them with care.",
        ],
        in_words(report),
    )


def shown_metrics(task: Task[Any]) -> list[str]:
    """Select the metrics that a report shows.

    Args:
        task: task of the run.

    Returns:
        Names of the metrics of the task and of its configuration, without detailed ones; the main
        metric comes first.
    """
    names = dict.fromkeys((*task.metrics, *task.config.evaluation.metrics))
    return [name for name in names if not METRICS[name].detail]


def _few(counts: list[Row]) -> list[str]:
    small = [str(row["centre"]) for row in counts if int(row["patients"]) < _FEW]
    if not small:
        return []
    return [
        f"Fewer than {_FEW} patients at {', '.join(small)}: the intervals are wide there, and "
        "differences between models may be due to chance."
    ]


def models_of(report: GeneralisationReport, metric: str) -> list[str]:
    """List the models that have a score at a centre.

    Args:
        report: scores of the run.
        metric: name of the metric.

    Returns:
        Names of the models in the order of the tables, baselines last.
    """
    models = [model for centre in report.centres for model in at_centre(report, metric, centre)]
    ordered = dict.fromkeys([model for model in TRAINED if model in models] + models)
    return list(ordered)


def held_out_tables(report: GeneralisationReport, events: str) -> list[Section]:
    """Build the main table of the report, and a second one of baselines and further strategies.

    Args:
        report: scores of the run.
        events: word for the patients whom scores count as events; empty: the column is left out.

    Returns:
        One or two sections with one row for each centre, followed by the summaries over centres,
        and one column for each model.
    """
    measure = METRICS[report.metric]
    models = models_of(report, report.metric)
    main = [m for m in models if m in TRAINED]
    others = [m for m in models if m not in TRAINED]
    note = (
        f"{measure.title} with 95 % intervals. {measure.note} Each column is a model. Leave-one-"
        "out models were not trained at the hospital of the row (external validation). Local, "
        "personalised, federated and pooled models were also trained there, and predict its "
        "patients by cross-validation. Pooled training would move data between hospitals and only "
        "serves as a reference. Mean, I², τ² and the 95 % prediction interval for a new hospital "
        "come from a random-effects model (Hartung, Knapp, Sidik and Jonkman"
        f"{', on the logit scale' if measure.bounded else ''}). With few hospitals these estimates "
        "are uncertain."
    )
    title = "Performance at each hospital"
    sections = [_held_out(report, "generalisation", title, note, main, events)]
    if others:
        title = "Baselines and other strategies at each hospital"
        note = "As in the table before, on the same patients."
        sections.append(_held_out(report, "baselines", title, note, others, events))
    return sections


def _held_out(
    report: GeneralisationReport, name: str, title: str, note: str, models: list[str], events: str
) -> Section:
    measure = METRICS[report.metric]
    rows: list[list[str | Cell]] = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        most = max(scores.values(), key=lambda s: s.n)
        counts = [str(most.n), str(most.events)] if events else [str(most.n)]
        rows.append([centre, *counts, *(_cell(scores.get(model), measure) for model in models)])
    over = {o.model: o for o in over_centres(report)}
    effects = [over[m].effects if m in over else None for m in models]
    few = [m for m in models if m in over and over[m].centres < len(report.centres)]
    some = {m: f" of {over[m].centres} of {len(report.centres)}" for m in few}
    texts = {
        "worst hospital": [
            Cell(f"{over[m].worst_value:.2f}", over[m].worst + some.get(m, ""))
            if m in over
            else _NONE
            for m in models
        ],
        "mean over hospitals": [_pooled(e, "") if e else _NONE for e in effects],
        "new hospital": [_pooled(e, "new_") if e else _NONE for e in effects],
        "I² / τ²": [_spread(e) if e else _NONE for e in effects],
    }
    blank = [""] * (2 if events else 1)
    if len(report.centres) > 1:
        rows += [[row, *blank, *cells] for row, cells in texts.items()]
    return Section(
        name, title, note, ["hospital", "n", *([events] if events else []), *models], rows
    )


_NONE = Cell("", empty=True)
"""Cell without a value."""


def _pooled(effects: RandomEffects, prefix: str) -> Cell:
    low = getattr(effects, f"{prefix}low")
    high = getattr(effects, f"{prefix}high")
    if not np.isfinite(low):
        return Cell(effects.reason, empty=True)
    if prefix:
        return Cell(f"{low:.2f} to {high:.2f}")
    return Cell(f"{effects.mean:.2f}", f"{low:.2f} to {high:.2f}")


def _spread(effects: RandomEffects) -> Cell:
    if not np.isfinite(effects.i2):
        return _NONE
    return Cell(f"{effects.i2:.0%}", f"{effects.tau2:.3f}")


def matrix(report: GeneralisationReport, metric: str) -> Section:
    """Build the table of training centres by test centre.

    Models trained without the test centre share one row, because each column has its own model.

    Args:
        report: scores of the run.
        metric: name of the metric.

    Returns:
        The section, which is folded unless the metric is the main one.
    """
    measure = METRICS[metric]
    rows: dict[tuple[str, str], dict[str, CentreScore]] = {}
    for s in report.scores:
        if s.metric == metric:
            origin = "all" if len(s.trained_on) == len(report.centres) else "all others"
            if s.model == PERSONALISED:
                origin = "all, then the test hospital"
            elif s.model == LOCAL:
                origin = s.trained_on[0]
            rows.setdefault((s.model, origin), {})[s.tested_on] = s
    return Section(
        f"matrix-{metric.replace(' ', '-')}",
        f"{measure.title} by training and test hospital",
        f"{measure.note} Each row is a model with its training hospitals, and each column is a "
        "test hospital.",
        ["model", "trained on", *report.centres],
        [
            [*key, *(_cell(by_centre.get(c), measure) for c in report.centres)]
            for key, by_centre in rows.items()
        ],
        folded=metric != report.metric,
    )


def _cell(score: CentreScore | None, measure: Metric) -> Cell:
    if score is None or not np.isfinite(score.value):
        return Cell(score.reason if score else "", empty=True)
    colour = ""
    if measure.chance is not None:
        strength = min(abs(score.value - measure.chance) * 2, 1) * 0.55
        tone = "31, 111, 178" if score.value >= measure.chance else "192, 57, 43"
        colour = f"rgba({tone}, {strength:.2f})"
    return figure_cell(score.value, score.low, score.high, score.reason, colour)


def _differences(report: GeneralisationReport, margin: float | None) -> Section:
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for d in (d for d in report.differences if not METRICS[d.metric].detail):
        key = f"{d.model} − {d.against}", METRICS[d.metric].title
        rows.setdefault(key, {})[d.tested_on] = _gap(d, margin)
    note = (
        "First model minus second model on the same patients, with 95 % bootstrap intervals over "
        "patients, and of image tasks also over seeds of training. Not worse: the whole interval "
        f"lies above minus the non-inferiority margin, {_margins(report, margin)}, which the "
        "configuration sets before training. Worse: it lies below. Otherwise undecided. The sign "
        "is reversed where lower values are better."
    )
    return Section(
        "differences",
        "Paired differences",
        note,
        ["comparison", "metric", *report.centres],
        [
            [*key, *(by_centre.get(c, _NONE) for c in report.centres)]
            for key, by_centre in rows.items()
        ],
    )


def _margins(report: GeneralisationReport, margin: float | None) -> str:
    if margin is not None:
        return f"{margin:g}"
    compared = dict.fromkeys(d.metric for d in report.differences if not METRICS[d.metric].detail)
    texts = [f"{METRICS[name].margin:g} ({METRICS[name].title})" for name in compared]
    return " or ".join(texts) or f"{METRICS[report.metric].margin:g}"


def _gap(d: Difference, margin: float | None) -> Cell:
    if not np.isfinite(d.value):
        return Cell(d.reason, empty=True)
    return Cell(f"{d.value:+.3f}", f"{d.low:+.3f} to {d.high:+.3f}, {verdict(d, margin)}")

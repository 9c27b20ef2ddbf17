"""Report of a run, the same for every task: cohorts, generalisation, differences and limits."""

from typing import Any

import numpy as np

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.metrics.generalisation import UNSEEN, at_centre, over_centres, verdict
from flame.evaluation.metrics.metric import METRICS, Metric
from flame.evaluation.metrics.out_of_sample import LEFT_OUT
from flame.evaluation.pages.checklist import checklist
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Evaluation, Section, figure_cell
from flame.federation.task import Row, Task
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED

_ORDER = (UNSEEN, FEDERATED, PERSONALISED, LOCAL, LEFT_OUT.format(POOLED), POOLED)
_COHORTS, _FEW = "cohorts", 30
"""HTML id of the table of centres, and number of patients below which a centre gets a warning."""


def render(evaluation: Evaluation) -> str:
    """Return the report as HTML.

    Args:
        evaluation: content of the report.
    """
    task, report, counts = evaluation.task, evaluation.report, evaluation.counts
    config = task.config
    rows = [[str(v) for v in row.values()] for row in counts]
    matrices = [_matrix(report, name) for name in shown_metrics(task)]
    return page(
        config,
        task.title,
        report.simulated,
        [*evaluation.warnings, *_few(counts)],
        [
            Section(_COHORTS, "Cohorts", "", list(counts[0]), rows),
            held_out_table(report),
            *matrices[:1],
            _differences(report, config.evaluation.margin),
            *evaluation.sections,
            *matrices[1:],
            checklist(task, report, counts),
        ],
        [
            *evaluation.limits,
            "Intervals reflect the patients tested, not the choice of training patients or seeds.",
            "Curves and dots of small groups show single patients; share them with care.",
        ],
    )


def shown_metrics(task: Task[Any]) -> list[str]:
    """Return the metrics that a report shows, the main one first.

    These are the metrics of the task and of its configuration without detailed ones.

    Args:
        task: task of the run.
    """
    names = dict.fromkeys((*task.metrics, *task.config.evaluation.metrics))
    return [name for name in names if not METRICS[name].detail]


def _few(counts: list[Row]) -> list[str]:
    small = [str(row["centre"]) for row in counts if int(row["patients"]) < _FEW]
    if not small:
        return []
    return [
        f"Fewer than {_FEW} patients at {', '.join(small)}: intervals there are wide, and a "
        "difference between models is more likely chance than not."
    ]


def models_of(report: GeneralisationReport, metric: str) -> list[str]:
    """Return the models in the order of the tables, baselines last.

    Args:
        report: scores of the run.
        metric: name of the metric.
    """
    found = [m for c in report.centres for m in at_centre(report, metric, c)]
    named = dict.fromkeys([m for m in _ORDER if m in found] + found)
    return list(named)


def held_out_table(report: GeneralisationReport) -> Section:
    """Return the main table: one row for each centre, then the summaries over centres.

    Args:
        report: scores of the run.
    """
    measure, models = METRICS[report.metric], models_of(report, report.metric)
    rows: list[list[str | Cell]] = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        most = max(scores.values(), key=lambda s: s.n)
        cells = [_cell(scores.get(model), measure) for model in models]
        rows.append([centre, str(most.n), str(most.events), *cells])
    over = {o.model: o for o in over_centres(report)}
    texts: dict[str, list[Cell]] = {
        "worst centre": [
            Cell(f"{over[m].worst_value:.2f}", over[m].worst) if m in over else _NONE
            for m in models
        ],
        "mean over centres": [_pooled(over[m].effects, "") if m in over else _NONE for m in models],
        "a new centre": [_pooled(over[m].effects, "new_") if m in over else _NONE for m in models],
        "I² / τ²": [_spread(over[m].effects) if m in over else _NONE for m in models],
    }
    rows += [[name, "", "", *cells] for name, cells in texts.items()]
    note = (
        f"{measure.title} with its 95 % interval. {measure.note} A column is a model: leave-one-"
        "out models never saw the centre of the row; others were trained there too and predict "
        "their patients by cross-validation. Pooled training moves data between hospitals: it is "
        "the yardstick, not a way of working. Mean, I², τ² and the 95 % prediction interval of a "
        "new centre are random effects (DerSimonian and Laird"
        f"{', on the logit scale' if measure.bounded else ''}); few centres say little about "
        "another one."
    )
    columns = ["centre", "n", "events", *models]
    return Section("generalisation", "Does it hold at each hospital?", note, columns, rows)


_NONE = Cell("", empty=True)


def _pooled(effects: object, prefix: str) -> Cell:
    mean, low, high = (getattr(effects, n) for n in ("mean", f"{prefix}low", f"{prefix}high"))
    if not np.isfinite(low):
        return Cell(getattr(effects, "reason", ""), empty=True)
    if prefix:
        return Cell(f"{low:.2f} to {high:.2f}")
    return Cell(f"{mean:.2f}", f"{low:.2f} to {high:.2f}")


def _spread(effects: object) -> Cell:
    i2, tau2 = getattr(effects, "i2", np.nan), getattr(effects, "tau2", np.nan)
    return Cell(f"{i2:.0%}", f"{tau2:.3f}") if np.isfinite(i2) else _NONE


def _matrix(report: GeneralisationReport, metric: str) -> Section:
    """Return the table of training centres by test centre.

    Models trained without the test centre share a row, as each column has its own.
    """
    measure = METRICS[metric]
    rows: dict[tuple[str, str], dict[str, CentreScore]] = {}
    for s in report.scores:
        if s.metric == metric:
            everyone = len(s.trained_on) == len(report.centres)
            own = s.model == PERSONALISED
            origin = "all, then itself" if own else "all" if everyone else "all others"
            origin = s.trained_on[0] if s.model == LOCAL else origin
            rows.setdefault((s.model, origin), {})[s.tested_on] = s
    return Section(
        f"matrix-{metric.replace(' ', '-')}",
        f"{measure.title}: trained on, tested on",
        f"{measure.note} Every model at every centre; rows say where it was trained.",
        ["model", "trained on", *report.centres],
        [[*key, *(_cell(by.get(c), measure) for c in report.centres)] for key, by in rows.items()],
        folded=metric != report.metric,
    )


def _cell(score: CentreScore | None, measure: Metric) -> Cell:
    if score is None or not np.isfinite(score.value):
        return Cell(score.reason if score else "", empty=True)
    colour = ""
    if measure.chance is not None:
        strength = min(abs(score.value - measure.chance) * 2, 1) * 0.75
        tone = "31, 111, 178" if score.value >= measure.chance else "192, 57, 43"
        colour = f"rgba({tone}, {strength:.2f})"
    return figure_cell(score.value, score.low, score.high, score.reason, colour)


def _differences(report: GeneralisationReport, margin: float | None) -> Section:
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for d in (d for d in report.differences if not METRICS[d.metric].detail):
        key = f"{d.model} − {d.against}", METRICS[d.metric].title
        rows.setdefault(key, {})[d.tested_on] = _gap(d, margin)
    margin = METRICS[report.metric].margin if margin is None else margin
    note = (
        "The first model less the second on the same patients, bootstrap over patients. Not worse: "
        f"the interval stays within a margin of {margin:g} ({METRICS[report.metric].title}), "
        "fixed before training; worse: all of it lies beyond."
    )
    return Section(
        "differences",
        "Paired differences",
        note,
        ["comparison", "measure", *report.centres],
        [[*key, *(by.get(c, _NONE) for c in report.centres)] for key, by in rows.items()],
    )


def _gap(d: Difference, margin: float | None) -> Cell:
    if not np.isfinite(d.value):
        return Cell(d.reason, empty=True)
    return Cell(f"{d.value:+.3f}", f"{d.low:+.3f} to {d.high:+.3f}, {verdict(d, margin)}")

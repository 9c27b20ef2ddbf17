"""The report of a run on response or survival."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from flame.core.cohort import Cohort
from flame.core.imaging import Scan
from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation import figures
from flame.evaluation.generalisation import Difference
from flame.evaluation.page import page
from flame.evaluation.predictions import Predictions
from flame.federation.config import TrainConfig
from flame.models.inputs import Inputs

METRIC = {"response": "auc", "survival": "c_index"}
"""The metric shown first."""
_TITLES = {
    "response": "Response to radiotherapy, hospital by hospital",
    "survival": "Survival, hospital by hospital",
}
_NAMES = {"auc": "AUC of response", "c_index": "C-index of survival"}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything a report is made from. ``case`` are scans to show, or empty."""

    config: TrainConfig
    report: GeneralisationReport
    differences: list[Difference]
    predictions: list[Predictions]
    inputs: list[Inputs]
    cohorts: list[Cohort]
    case: tuple[Scan, ...] = ()


def render(evaluation: Evaluation) -> str:
    """Return the report as HTML."""
    columns, rows = _cohort_table(evaluation)
    task, predictions, inputs = evaluation.config.task, evaluation.predictions, evaluation.inputs
    return page(
        "report.html.j2", evaluation.config, evaluation.report,
        title=_TITLES[task],
        metric=_NAMES[METRIC[task]],
        warnings=_warnings(evaluation),
        cohort_columns=columns,
        cohort_rows=rows,
        matrix=_matrix(evaluation.report, METRIC[task]),
        difference_rows=_difference_rows(evaluation),
        calibration_rows=_calibration_rows(evaluation.report) if task == "response" else [],
        roc=Markup(figures.roc_figure(predictions, inputs)) if task == "response" else "",
        calibration=Markup(figures.calibration_figure(predictions, inputs))
        if task == "response" else "",
        survival=Markup(figures.survival_figure(predictions, inputs)),
        case=Markup(figures.case_figure(evaluation.case)) if evaluation.case else "",
        limits=_limits(evaluation),
    )  # fmt: skip


def _warnings(evaluation: Evaluation) -> list[str]:
    small = [i.centre for i in evaluation.inputs if len(i.labelled) < 30]
    if not small:
        return []
    return [
        f"Fewer than 30 patients at {', '.join(small)}: intervals there are wide, and a difference "
        "between models is more likely chance than not."
    ]


def _limits(evaluation: Evaluation) -> list[str]:
    limits = [
        "Intervals reflect the patients tested, not the choice of training patients or seeds; "
        "with several seeds AUC, C-index and Brier score are means over seeds. Curves and "
        "calibration are of the prediction averaged over seeds.",
        "AUC and C-index compare patients predicted by the same model only (the same fold).",
        "A missing status with a known survival time counts as a death.",
        "Curves of small groups show single patients; share them with care.",
    ]
    if evaluation.config.task == "response":
        limits.append("Patients of unknown response count in survival figures only.")
    data = evaluation.config.data
    if data.horizon_days:
        limits.append(
            f"Response means alive at {data.horizon_days:g} days; patients censored before that "
            "have no label."
        )
    return limits


def _cohort_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    response = evaluation.config.task == "response"
    columns = ["centre", "patients", "outcome known", *["responders"] * response, "deaths"]
    ages = all("age" in p.clinical for c in evaluation.cohorts for p in c.patients)
    treated = any(p.treatment for c in evaluation.cohorts for p in c.patients)
    columns += ["median age"] * ages + ["radiotherapy"] * treated
    rows = []
    for cohort, inputs in zip(evaluation.cohorts, evaluation.inputs, strict=True):
        n = len(inputs.labelled)
        row = [cohort.centre, str(len(cohort.patients)), str(n)]
        if response:
            responders = int(inputs.response[inputs.labelled].sum())
            row.append(f"{responders} ({responders / n:.0%})")
        row.append(str(int(inputs.died.sum())))
        if ages:
            row.append(f"{np.nanmedian([p.clinical['age'] for p in cohort.patients]):.0f}")
        if treated:
            row.append(_radiations(cohort))
        rows.append(row)
    return columns, rows


def _radiations(cohort: Cohort) -> str:
    counts: dict[str, int] = {}
    for patient in cohort.patients:
        phases = patient.treatment.phases if patient.treatment else ()
        name = " + ".join(dict.fromkeys(p.radiation.value for p in phases)) or "unknown"
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _matrix(report: GeneralisationReport, metric: str) -> list[dict[str, Any]]:
    """Rows of the matrix. Leave-one-out models share a row: each column has its own."""
    rows: dict[tuple[str, str], dict[str, CentreScore]] = {}
    for s in report.scores:
        if s.metric == metric:
            everyone = len(s.trained_on.split("+")) == len(report.centres)
            leaves_out = not everyone and s.model != "local"
            origin = "all others" if leaves_out else "all" if everyone else s.trained_on
            rows.setdefault((s.model, origin), {})[s.tested_on] = s
    return [
        {"model": model, "trained_on": origin, "cells": [_cell(by[c]) for c in report.centres]}
        for (model, origin), by in rows.items()
    ]


def _cell(score: CentreScore) -> dict[str, Any]:
    if not np.isfinite(score.value):
        return {"value": None, "reason": score.reason}
    strength = min(abs(score.value - 0.5) * 2, 1) * 0.75
    tone = "31, 111, 178" if score.value >= 0.5 else "192, 57, 43"
    return {
        "value": f"{score.value:.2f}",
        "interval": f"{score.low:.2f} to {score.high:.2f}",
        "colour": f"rgba({tone}, {strength:.2f})",
    }


def _difference_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, str]] = {}
    for d in evaluation.differences:
        text = (
            f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})" if np.isfinite(d.value) else d.reason
        )
        rows.setdefault(f"{d.model} − {d.against}", {})[d.tested_on] = text
    return [
        {"name": name, "cells": [by.get(c, "") for c in evaluation.report.centres]}
        for name, by in rows.items()
    ]


def _calibration_rows(report: GeneralisationReport) -> list[list[str]]:
    wanted = ("calibration_slope", "calibration_intercept", "brier", "c_index")
    table: dict[tuple[str, str], dict[str, str]] = {}
    for s in report.scores:
        if s.model.startswith(("federated", "pooled")):
            text = (
                f"{s.value:.2f} ({s.low:.2f} to {s.high:.2f})" if np.isfinite(s.value) else s.reason
            )
            table.setdefault((s.model, s.tested_on), {})[s.metric] = text
    return [[*key, *(by[m] for m in wanted)] for key, by in table.items()]

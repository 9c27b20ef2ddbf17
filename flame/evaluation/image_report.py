"""The report of a run on masks or forecasts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.figures import dots_figure
from flame.evaluation.generalisation import Difference
from flame.evaluation.image_tasks import METRICS
from flame.evaluation.page import page
from flame.federation.config import TrainConfig
from flame.federation.describe import Row

TITLES = {
    "segmentation": "Tumour masks, hospital by hospital",
    "evolution": "Tumour evolution, hospital by hospital",
}
_SHOWN = {
    "dice": ("Dice", "Overlap with the drawn mask; of a patient the mean over days and regions."),
    "hd95": ("HD95 (mm)", "95th percentile of the surface distance."),
    "changed dice": ("Dice of changed voxels", "Overlap of what changed with what was said to; 0 "
                     "for the last mask again."),
    "crps": ("CRPS (ml)", "Error of the whole distribution of volume; smaller is better."),
    "covered 90": ("Coverage of the 90 % band", "Share of days whose volume lies within it."),
}  # fmt: skip
_LIMITS = {
    "segmentation": [
        "Masks are compared on the network's grid, where a contour of the drawn mask is rounded "
        "to whole voxels. A day whose tumour was missed altogether has a Dice of 0 and no HD95.",
    ],
    "evolution": [
        "Forecasts are of the radiotherapy that was given; what another one would have done "
        "cannot be seen in patients.",
        "The 90 % band is calibrated on patients kept from training: it should cover the whole "
        "course of 90 % of new patients like them, and less of patients unlike them. Those of the "
        "baselines (persistence is the last mask again) are their errors on training patients.",
    ],
}


@dataclass(frozen=True, eq=False)
class ImageEvaluation:
    """Everything the report is made from; ``counts`` are the rows of ``flame train``.

    ``strata`` are the figures by horizon and trend, of masks by region.
    """

    config: TrainConfig
    report: GeneralisationReport
    differences: list[Difference]
    rows: pd.DataFrame
    strata: pd.DataFrame
    counts: tuple[Row, ...]
    warnings: tuple[str, ...]


def render(evaluation: ImageEvaluation) -> str:
    """Return the report as HTML."""
    config, report = evaluation.config, evaluation.report
    shown = [m for m in METRICS[config.task] if m in _SHOWN]
    return page(
        "image_report.html.j2", config, report,
        title=TITLES[config.task],
        task=config.task,
        warnings=list(evaluation.warnings),
        cohort_columns=list(evaluation.counts[0]),
        cohort_rows=[list(map(str, row.values())) for row in evaluation.counts],
        matrices=[_matrix(report, metric) for metric in shown],
        difference_rows=_differences(evaluation, shown),
        strata=_strata(evaluation, shown),
        strata_columns=["", "", "model", "patients", *(_SHOWN[metric][0] for metric in shown)],
        dots=Markup(dots_figure(evaluation.rows, shown[0], _SHOWN[shown[0]][0])),
        limits=[*_LIMITS[config.task], "Dots show single patients; share them with care."],
    )  # fmt: skip


def _text(value: float, low: float, high: float, reason: str, sign: str = "") -> str:
    if not np.isfinite(value):
        return reason
    return f"{value:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})"


def _matrix(report: GeneralisationReport, metric: str) -> dict[str, Any]:
    rows: dict[tuple[str, str], dict[str, CentreScore]] = {}
    for s in report.scores:
        if s.metric == metric:
            everyone = len(s.trained_on.split("+")) == len(report.centres)
            leaves_out = "leave-one-out" in s.model
            origin = "all others" if leaves_out else "all" if everyone else s.trained_on
            rows.setdefault((s.model, origin), {})[s.tested_on] = s
    title, note = _SHOWN[metric]
    return {
        "id": metric.replace(" ", "-"), "title": title, "note": note,
        "rows": [
            {"model": model, "trained_on": origin, "cells": [_cell(by[c]) for c in report.centres]}
            for (model, origin), by in rows.items()
        ],
    }  # fmt: skip


def _cell(score: CentreScore) -> dict[str, Any]:
    if not np.isfinite(score.value):
        return {"value": None, "reason": score.reason}
    interval = f"{score.low:.2f} to {score.high:.2f}"
    return {"value": f"{score.value:.2f}", "interval": interval}


def _differences(evaluation: ImageEvaluation, shown: list[str]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for d in evaluation.differences:
        if d.metric in shown:
            text = _text(d.value, d.low, d.high, d.reason, "+")
            rows.setdefault((f"{d.model} − {d.against}", d.metric), {})[d.tested_on] = text
    return [
        {"name": name, "metric": _SHOWN[metric][0],
         "cells": [by.get(c, "") for c in evaluation.report.centres]}
        for (name, metric), by in rows.items()
    ]  # fmt: skip


def _strata(evaluation: ImageEvaluation, shown: list[str]) -> list[list[str]]:
    return [
        [row["by"], row["value"], row["model"], str(row["patients"]),
         *(f"{row[metric]:.2f}" for metric in shown)]
        for row in evaluation.strata.to_dict("records")
    ]  # fmt: skip

"""Sections that only reports on masks or forecasts have."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.figures import dots_figure
from flame.evaluation.pages.report import shown_metrics
from flame.evaluation.pages.sections import Section
from flame.federation.task import Task


def image_sections(task: Task[Any], rows: pd.DataFrame, strata: pd.DataFrame) -> list[Section]:
    """Return the sections with metrics by stratum and with one dot for each patient.

    Args:
        task: task of the run.
        rows: table of all models, see ``patient_scores``.
        strata: table of metrics by stratum, see ``scores.strata``.
    """
    shown = shown_metrics(task)
    title, note = task.texts().strata
    cells = [
        [
            row["by"],
            row["value"],
            row["model"],
            str(row["patients"]),
            *(f"{row[metric]:.2f}" for metric in shown),
        ]
        for row in strata.to_dict("records")
    ]
    dots = Markup(dots_figure(rows, shown[0], METRICS[shown[0]].title))
    return [
        Section(
            "strata",
            title,
            f"All centres, patients predicted by cross-validation; means over patients. {note}",
            ["", "", "model", "patients", *(METRICS[m].title for m in shown)],
            cells,
        ),
        Section(
            "patients",
            "Patient by patient",
            "Each dot is a patient, the bar the mean.",
            figure=dots,
        ),
    ]

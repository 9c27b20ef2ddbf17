"""Report sections of tasks on masks and on forecasts."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.figures import dots_figure
from flame.evaluation.pages.report import shown_metrics
from flame.evaluation.pages.sections import Section
from flame.federation.task import Task


def image_sections(task: Task[Any], rows: pd.DataFrame, strata: pd.DataFrame) -> list[Section]:
    """Build the sections with metrics by stratum and with the results of single patients.

    Args:
        task: task of the run.
        rows: table of all models, see ``patient_scores``.
        strata: table of metrics by stratum, see ``scores.strata``.

    Returns:
        The section of strata and the section of patients.
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
            f"Means over the patients of all hospitals, predicted by cross-validation. {note}",
            ["stratum", "value", "model", "patients", *(METRICS[m].title for m in shown)],
            cells,
        ),
        Section(
            "patients",
            "Results by patient",
            "Each dot is one patient; bars show means.",
            figure=dots,
        ),
    ]

"""``flame predict``: predictions of any model for new patients."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.bundles.cohorts import read_cohorts
from flame.bundles.model import Model
from flame.core.files import check_free, write_text
from flame.core.progress import Progress, silent
from flame.federation.tasks.cohort_summary import left_out_by_rule

PREDICTIONS = "predictions.csv"
"""Table of predictions in the output folder, which also marks the folder as one of this command."""
PAGE = "predictions.html"
"""Page of predictions in the output folder."""


@dataclass(frozen=True)
class OutcomePredictions:
    """Predicted outcomes.

    Args:
        table: one row per patient.
        warnings: warnings to show.
        html: path of the page.
    """

    table: pd.DataFrame
    warnings: tuple[str, ...]
    html: Path


def predict_outcomes(
    model: Model, target: Path, out: Path, progress: Progress = silent
) -> OutcomePredictions:
    """Predict response or survival of new patients.

    predictions.csv has one row per patient, drivers.csv what moves each prediction, and curves.csv
    the survival curves. They name patients as the target does, and stay where they are written.

    Args:
        model: a model on response or survival.
        target: a table, a preprocessed centre, or one of its folders ``sub-..``.
        out: new folder, or one of earlier predictions.
        progress: called with centres done and the total.

    Returns:
        The predictions.

    Raises:
        BadInput: the target does not suit the model, or ``out`` holds something else.
    """
    from flame.bundles.predictions import CURVE_DAYS, predict
    from flame.bundles.predictions_page import render

    check_free(out, PREDICTIONS)
    cohorts = read_cohorts(model, target, with_outcome=False)
    found = []
    for done, cohort in enumerate(cohorts, 1):
        found.append(predict(model, cohort))
        progress(done, len(cohorts))
    table = pd.concat([each.table for each in found], ignore_index=True)
    drivers = pd.concat([each.drivers for each in found], ignore_index=True)
    tables = {PREDICTIONS: table, "drivers.csv": drivers}
    if any(each.curves.size for each in found):
        days = CURVE_DAYS.round(1)
        rows = [pd.DataFrame(f.curves, list(f.inputs.pseudonyms), days) for f in found]
        tables["curves.csv"] = pd.concat(rows).rename_axis("patient").reset_index()
    for name, frame in tables.items():
        write_text(out / name, frame.to_csv(index=False, na_rep="nan"), private=True)
    write_text(out / PAGE, render(model, found, cohorts[0].simulated), private=True)
    warnings = (*left_out_by_rule(cohorts), *_warnings(model, table))
    return OutcomePredictions(table, warnings, out / PAGE)


def _warnings(model: Model, table: pd.DataFrame) -> tuple[str, ...]:
    notes = table["note"].fillna("")
    warnings = []
    outside = int(notes.str.startswith("outside").sum())
    if outside:
        warnings.append(f"{outside} of {len(table)} patients lie outside the training population")
    unread = int(notes.ne("").sum()) - outside
    if unread:
        warnings.append(f"{unread} of {len(table)} patients could not be predicted; see their note")
    if model.simulated:
        warnings.append("the model was trained on simulated patients")
    return tuple(warnings)

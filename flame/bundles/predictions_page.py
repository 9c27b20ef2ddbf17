"""Page of predicted outcomes: a row per patient, with a curve and what drives the prediction."""

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from flame.bundles.description import RESEARCH
from flame.bundles.model import Model
from flame.bundles.predictions import CURVE_DAYS, Predicted, threshold
from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Section

_MOST_DRIVERS = 3
"""Features named for each patient."""
_MOST_CURVES = 60
"""Patients whose curves are drawn."""


def render(model: Model, found: list[Predicted], simulated: bool) -> str:
    """Render the page.

    Args:
        model: the model.
        found: predictions of each centre.
        simulated: whether the patients are simulated.

    Returns:
        The page as HTML. It names patients, and is for the hospital that made it.
    """
    sections = [_table(model, found)]
    if any(each.curves.size for each in found):
        sections.append(
            Section(
                "curves",
                "Predicted survival",
                "One line per patient, as far as training patients were followed.",
                figure=Markup(_curves(found)),
            )
        )
    texts = model.task.texts()
    limits = [
        RESEARCH,
        f"Model {model.name}: {texts.training}. Outcome: {texts.outcome}.",
        "Drivers compare the prediction with that for the training mean of the feature. They "
        "describe the model, not a cause.",
    ]
    title = f"Predictions of {model.name}"
    return page(model.config, title, simulated, list(model.warnings), sections, limits)


def _table(model: Model, found: list[Predicted]) -> Section:
    table = pd.concat([each.table for each in found], ignore_index=True)
    drivers = pd.concat([each.drivers for each in found], ignore_index=True)
    named = {str(name): part for name, part in drivers.groupby("patient", sort=False)}
    columns = [name for name in table.columns if name != "note"]
    rows: list[list[str | Cell]] = [
        [*(_text(r[c]) for c in columns), _drivers(named.get(str(r["patient"]))), _text(r["note"])]
        for r in table.to_dict("records")
    ]
    cut = threshold(model) if model.task.outcome == "response" else float("nan")
    note = (
        f"A patient counts as a responder from {cut:.2f} on, the share in training."
        if np.isfinite(cut)
        else ""
    )
    return Section("patients", "Patients", note, [*columns, "drivers", "note"], rows)


def _text(value: object) -> str:
    if isinstance(value, float):
        if np.isnan(value):
            return ""
        if np.isinf(value):
            return "not reached"
        return f"{value:.0f}" if value > 10 else f"{value:.2f}"
    return str(value)


def _drivers(moved: pd.DataFrame | None) -> str:
    """Name the features that move a prediction most."""
    if moved is None:
        return ""
    most = moved.reindex(moved["moves by"].abs().sort_values(ascending=False).index)
    shown = most[most["moves by"].abs() > 0.005].head(_MOST_DRIVERS)
    return "; ".join(f"{r['feature']} {r['moves by']:+.2f}" for r in shown.to_dict("records"))


def _curves(found: list[Predicted]) -> str:
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axis = figure.add_subplot()
    curves = np.concatenate([each.curves for each in found])[:_MOST_CURVES]
    for curve in curves:
        axis.plot(CURVE_DAYS, curve, color="#1f6fb2", alpha=max(0.25, 1 / len(curves)), lw=1.2)
    axis.axhline(0.5, color="#888888", lw=0.8, ls=":")
    axis.set(xlabel="days", ylabel="probability of survival", ylim=(0, 1.02), xlim=(0, None))
    return to_svg(figure, "predicted")

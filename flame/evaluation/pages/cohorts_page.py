"""Page of ``flame describe``: description of the cohorts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Section, figure_cell, headings
from flame.federation.config import TrainConfig


def render(
    config: TrainConfig,
    simulated: bool,
    centres: pd.DataFrame,
    features: pd.DataFrame,
    curve: pd.DataFrame,
    test: np.ndarray,
) -> str:
    """Render the page.

    Args:
        config: configuration of the run.
        simulated: whether the patients are simulated.
        centres: one row of counts for each centre.
        features: one row for each feature: number of known values, mean, SD, AUC and C-index with
            intervals.
        curve: survival curve of all patients with the columns times (days), alive, low and high
            (shares of patients).
        test: (3,) log-rank test between centres: chi-squared, degrees of freedom and p; NaN where
            survival cannot be compared.

    Returns:
        The page as HTML.
    """
    least = config.privacy.least_count
    comparison = (
        f"Log-rank test between hospitals: chi-squared {test[0]:.1f} on {test[1]:.0f} degrees of "
        f"freedom, p = {test[2]:.2g}."
    )
    if np.isnan(test[2]):
        comparison = "Survival cannot be compared between hospitals."
    rows = [
        [str(v) if not isinstance(v, float) else f"{v:.0f}" for v in row]
        for row in centres.itertuples(index=False)
    ]
    sections = [
        Section("centres", "Hospitals", comparison, headings(centres.columns), rows),
        Section(
            "survival",
            "Survival of all patients",
            "Kaplan-Meier estimate with 95 % band, from counts of deaths and censored patients.",
            figure=Markup(_survival(curve)),
        ),
        Section(
            "features",
            "Features",
            "AUC: discrimination of the response over all patients (DeLong interval). C-index: "
            "concordance with survival, over pairs of patients within a hospital and over all "
            "pairs (jackknife interval). Below 0.5, high values of the feature go with "
            "non-response or with earlier death.",
            ["feature", "known", "mean", "SD", "AUC", "C-index", "C-index, all pairs"],
            [_row(r) for r in features.to_dict("records")],
        ),
    ]
    limits = [
        f"No result is based on fewer than {least} patients of a hospital. Patients with "
        "neighbouring times or feature values are counted together, which slightly changes "
        "curves, AUC and the C-index over all pairs. With privacy.least_count = 1 these equal the "
        "results of pooled patients.",
        "A missing status with a known survival time is counted as a death.",
    ]
    return page(config, "Description of the cohorts", simulated, [], sections, limits)


def _row(r: Mapping[Any, Any]) -> list[str | Cell]:
    return [
        str(r["feature"]),
        str(r["known"]),
        f"{r['mean']:.3g}",
        f"{r['sd']:.3g}",
        *(_figure(r, name) for name in ("auc", "c_index", "c_index_across")),
    ]


def _figure(r: Mapping[Any, Any], name: str) -> Cell:
    return figure_cell(r[name], r[f"{name} low"], r[f"{name} high"])


def _survival(curve: pd.DataFrame) -> str:
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axis = figure.add_subplot()
    start = pd.DataFrame({"times": [0.0], "alive": [1.0], "low": [1.0], "high": [1.0]})
    drawn = pd.concat([start, curve])
    axis.fill_between(drawn.times, drawn.low, drawn.high, step="post", color="#1f6fb2", alpha=0.2)
    axis.step(drawn.times, drawn.alive, where="post", color="#1f6fb2")
    axis.set(xlabel="days", ylabel="share alive", ylim=(0, 1.02))
    return to_svg(figure, "survival")

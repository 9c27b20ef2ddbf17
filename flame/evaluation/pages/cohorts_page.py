"""Page of ``flame describe``: description of the cohorts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.evaluation.pages.figures import panels, survival_curve, to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Cell, Section, headings
from flame.federation.config import TrainConfig


def render(
    config: TrainConfig,
    simulated: bool,
    tables: Mapping[str, pd.DataFrame],
    test: np.ndarray,
    warnings: list[str],
) -> str:
    """Render the page.

    Args:
        config: configuration of the run.
        simulated: whether the patients are simulated.
        tables: ``centres``, one row of counts for each centre; ``features``, one row for each
            feature with the number of known values, mean, SD, AUC and C-index with intervals;
            ``features_by_centre`` with feature, centre, known, mean and sd; and ``survival``, the
            curves of all patients (without a name) and of each centre, with the columns centre,
            times (days), alive, low and high (shares of patients).
        test: (3,) log-rank test between centres: chi-squared, degrees of freedom and p; NaN where
            survival cannot be compared.
        warnings: what to look at in the data.

    Returns:
        The page as HTML.
    """
    least = config.privacy.least_count
    centres, features = tables["centres"], tables["features"]
    comparison = (
        f"Log-rank test between hospitals: chi-squared {test[0]:.1f} on {test[1]:.0f} degrees of "
        f"freedom, p = {test[2]:.2g}."
    )
    if np.isnan(test[2]):
        comparison = "Survival cannot be compared between hospitals."
    rows = [_counts(r) for r in centres.to_dict("records")]
    sections = [
        Section("centres", "Hospitals", comparison, headings(centres.columns), rows),
        Section(
            "survival",
            "Survival",
            "Kaplan-Meier estimates with 95 % bands, from counts of deaths and censored patients: "
            "all patients together, and each hospital against all (grey).",
            figure=Markup(_survival(tables["survival"])),
        )
        if len(tables["survival"])
        else Section("survival", "Survival", "No hospital may tell survival, or none is known."),
        Section(
            "features",
            "Features",
            "AUC: discrimination of the response over all patients (DeLong interval). C-index: "
            "concordance with survival, over pairs of patients within a hospital and over all "
            "pairs (jackknife interval), with the number n of patients that each is of. Below 0.5, "
            "high values of the feature go with non-response or with earlier death. Not told: too "
            "few patients, too few for means of neighbours to stand for them, or one value only.",
            ["feature", "known", "mean", "SD", "AUC", "C-index", "C-index, all pairs"],
            [_row(r) for r in features.to_dict("records")],
        ),
        _by_centre(tables["features_by_centre"]),
    ]
    limits = [
        f"No result is based on fewer than {least} patients of a hospital. Patients with "
        "neighbouring times or feature values are counted together, which changes curves, AUC and "
        "the C-index over all pairs somewhat. With privacy.least_count = 1 these equal the results "
        "of pooled patients.",
        "Nothing is filled in: a missing value, and survival with an unknown status, are unknown "
        "here, also where training would impute them or count them as deaths.",
    ]
    return page(
        config,
        "Description of the cohorts",
        simulated,
        warnings,
        sections,
        limits,
        _verdict(centres, test),
    )


def _verdict(centres: pd.DataFrame, test: np.ndarray) -> str:
    total, deaths = int(centres["survival known"].sum()), int(centres["deaths"].sum())
    telling = int((centres["survival known"] > 0).sum())
    text = (
        f"{telling} of {len(centres)} hospitals tell the survival of {total} patients, {deaths} of "
        "whom died."
    )
    if np.isnan(test[2]):
        return text
    differs = "differs" if test[2] < 0.05 else "is not shown to differ"
    return f"{text} Survival {differs} between hospitals (log-rank p = {test[2]:.2g})."


def _counts(row: Mapping[Any, Any]) -> list[str | Cell]:
    reached = row["median survival"] == np.inf
    missing = Cell("not reached" if reached else "not told", empty=True)
    return [
        str(v) if not isinstance(v, float) else f"{v:.0f}" if np.isfinite(v) else missing
        for v in row.values()
    ]


def _by_centre(table: pd.DataFrame) -> Section:
    centres = list(dict.fromkeys(table.centre))
    rows: list[list[str | Cell]] = []
    for feature, part in table.groupby("feature", sort=False):
        cells = [
            Cell(f"{r['mean']:.3g}", f"SD {r['sd']:.3g}, n {r['known']:.0f}")
            if r["known"] > 0
            else Cell("not told", empty=True)
            for r in part.to_dict("records")
        ]
        rows.append([str(feature), *cells])
    note = (
        "Mean, standard deviation and number of known values. Not told: too few patients, or a "
        "difference of counts would tell of few."
    )
    return Section("by-hospital", "Features by hospital", note, ["feature", *centres], rows)


def _row(r: Mapping[Any, Any]) -> list[str | Cell]:
    moments: list[str | Cell] = [f"{r['known']:.0f}", f"{r['mean']:.3g}", f"{r['sd']:.3g}"]
    return [
        str(r["feature"]),
        *(moments if r["known"] > 0 else [Cell("not told", empty=True)] * 3),
        *(_figure(r, name) for name in ("auc", "c_index", "c_index_across")),
    ]


def _figure(r: Mapping[Any, Any], name: str) -> Cell:
    low, high = r[f"{name} low"], r[f"{name} high"]
    if not np.isfinite(r[name]) or (r[name] == 0.5 and low == high):
        return Cell("not told", empty=True)  # also of a feature with one value
    n = r["auc n" if name == "auc" else "c_index n"]
    return Cell(f"{r[name]:.2f}", f"{low:.2f} to {high:.2f}, n {n}")


_COLUMNS = 3
"""Most curves in a row."""


def _survival(curves: pd.DataFrame) -> str:
    names = list(dict.fromkeys(curves.centre))
    figure, axes = panels(len(names), 2.7, most=_COLUMNS, width=3.6)
    for place, (axis, name) in enumerate(zip(axes, names, strict=True)):
        if name:
            survival_curve(axis, curves[curves.centre == ""], color="#9aa7b5")
        survival_curve(axis, curves[curves.centre == name], band=0.2, color="#1f6fb2")
        axis.set(title=name or "all patients", ylim=(0, 1.02))
        axis.set_xlabel("days" if place >= len(names) - _COLUMNS else "")
        axis.set_ylabel("" if place % _COLUMNS else "share alive")
    return to_svg(figure, "survival")

"""Page of ``flame predict``: volume curves and a slice viewer in one self-contained file."""

import json
from itertools import combinations
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from flame.core import html
from flame.core.treatment import Radiation, Treatment
from flame.core.version import __version__
from flame.evaluation.pages.figures import legend_beside, panels, to_svg
from flame.evaluation.pages.forecast import AS_TREATED, Prediction
from flame.evaluation.pages.forecast_viewer import viewer_data
from flame.models.evolution.model import Forecast

COLOURS = {
    Radiation.PHOTON: "#1f6fb2",
    Radiation.PROTON: "#b58900",
    Radiation.CARBON: "#c0392b",
    AS_TREATED: "#4b5966",
}
"""Colour of each radiation in the curves."""
_ALIKE_ML = 0.05
"""Difference of volumes in ml that is shown as 0."""


def render(prediction: Prediction) -> str:
    """Render the page.

    Args:
        prediction: result for the patient.

    Returns:
        The page as HTML.
    """
    table = prediction.volumes()
    days = sorted(set(table.day))
    return html.filled(
        "flame.evaluation.pages",
        "forecast.html.j2",
        version=__version__,
        subject=prediction.subject,
        simulated=prediction.simulated,
        warnings=prediction.warnings,
        response=prediction.response,
        verdict=_verdict(prediction),
        planned=_course(prediction.case.treatment),
        origin=_origin(prediction.case.treatment),
        compared=_compared(prediction),
        baseline_day=prediction.case.day,
        baseline_ml=f"{prediction.case.ml(prediction.case.tumour):.1f}",
        curve=Markup(_curve(prediction)),
        days=days,
        parameters=_parameters(prediction),
        radiations=list(prediction.forecasts),
        names=[_word(r) for r in prediction.forecasts],
        volume_rows=_volume_rows(prediction),
        others=list(prediction.forecasts)[1:],
        calibrated=prediction.calibrated,
        later=[day for day, _ in prediction.case.later],
        doses=bool(prediction.doses),
        data=Markup(json.dumps(viewer_data(prediction))),
    )


def _verdict(prediction: Prediction) -> str:
    last = {radiation: forecasts[-1] for radiation, forecasts in prediction.forecasts.items()}
    day = next(iter(last.values())).day
    before = prediction.case.ml(prediction.case.tumour)
    median = {r: float(np.median(f.volumes)) for r, f in last.items()}
    under = {r: "as treated" if r == AS_TREATED else f"under {r}" for r in median}
    shown = ", ".join(f"{ml:.1f} ml {under[r]}" for r, ml in median.items())
    text = f"Forecast for day {day}, from {before:.1f} ml on day {prediction.case.day}: {shown}."
    return f"{_told_apart(last)} {text}".strip()


def _told_apart(last: dict[str, Forecast]) -> str:
    """Say whether the bands of any two radiations are apart: what is not known is in them."""
    if len(last) < 2:
        return ""
    apart = [
        f"{one} and {other}"
        for one, other in combinations(last, 2)
        if not _overlap(last[one].interval(0.9), last[other].interval(0.9))
    ]
    if apart:
        pairs = ", of ".join(apart)
        return f"The 90 % bands of {pairs} do not overlap: these differences are told."
    medians = [float(np.median(f.volumes)) for f in last.values()]
    largest = max(medians) - min(medians)
    alike = (
        " The radiations are compared at the same equivalent dose, and what these models learned "
        "of the three is alike."
    )
    return (
        "The 90 % bands of all radiations overlap: no difference between them can be told (the "
        f"largest is {largest:.1f} ml).{alike * (largest < _ALIKE_ML)}"
    )


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(one[0], other[0]) <= min(one[1], other[1])


def _course(treatment: Treatment | None) -> str:
    if treatment is None:
        return "unknown"
    return " + ".join(
        f"{p.radiation} {p.dose:g} Gy{' (RBE)' if p.biological else ''} in {p.fractions} fractions"
        for p in treatment.phases
    )


def _compared(prediction: Prediction) -> str:
    """Say what the forecasts compare, and that no dose but the planned one is that of a plan."""
    if AS_TREATED in prediction.forecasts:
        return (
            "Radiations are not compared: that needs a model that reads them, and the plan and the "
            "dose of radiotherapy that is still to come. The forecast is of the disease as it is "
            "treated."
        )
    courses = "; ".join(f"{name}: {_course(c)}" for name, c in prediction.courses.items())
    planned = prediction.case.treatment
    scaled = [
        n for n, c in prediction.courses.items() if n not in prediction.plans and c != planned
    ]
    text = f"Courses that are compared: {courses}."
    if prediction.plans:
        text += f" The dose of a plan of its own: {', '.join(sorted(prediction.plans))}."
    if scaled:
        text += (
            f" For {', '.join(scaled)} the planned dose map is used, scaled to the prescription: "
            "this is not the dose of a treatment plan."
        )
    return text


def _parameters(prediction: Prediction) -> list[list[str]]:
    """Return name, unit, median and interval of each parameter of the mechanistic model."""
    names = {
        "diffusion": ("diffusion in white matter", "mm²/day"),
        "rate": ("proliferation rate", "1/day"),
        "alpha": ("radiosensitivity α", "1/Gy"),
    }
    return [
        [*names[key], f"{middle:.3g}", f"{low:.3g} to {high:.3g}"]
        for key, (middle, low, high) in prediction.parameters.items()
    ]


def _curve(prediction: Prediction) -> str:
    """Draw a panel for each forecast, with the medians of the others as thin lines."""
    case = prediction.case
    start = (case.day, case.ml(case.tumour))
    table = {str(r): part for r, part in prediction.volumes().groupby("radiation", sort=False)}
    figure, axes = panels(len(table), 3.4)
    ends = [v for part in table.values() for v in part["high_ml"] if np.isfinite(v)]
    for axis, (name, part) in zip(axes, table.items(), strict=True):
        for other, medians in table.items():
            shown: dict[str, Any] = {"color": COLOURS[other], "lw": 0.8, "alpha": 0.7}
            if other == name:
                shown = {"color": COLOURS[other], "lw": 1.6, "marker": "o", "ms": 3.5}
            days, volumes = [start[0], *medians["day"]], [start[1], *medians["median_ml"]]
            axis.plot(
                days, np.maximum(volumes, SMALLEST_ML), label=f"{_word(other)}, median", **shown
            )
        days = [start[0], *part["day"]]
        low, high = ([start[1], *part[end]] for end in ("low_ml", "high_ml"))
        if np.isfinite(high).all():
            floor = np.maximum(low, SMALLEST_ML)
            label = "90 % band"
            axis.fill_between(days, floor, high, color=COLOURS[name], alpha=0.15, lw=0, label=label)
        _observed(axis, prediction, start)
        axis.set(title=_word(name), xlabel=f"day from the {_origin(case.treatment)}")
        if ends and max(ends) > 20 * start[1]:
            axis.set_yscale("log")
        axis.set_ylim(bottom=SMALLEST_ML if axis.get_yscale() == "log" else 0)
    top = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(top=top)
    axes[0].set_ylabel("tumour volume (ml)")
    legend_beside(figure, axes)
    return to_svg(figure, "volumes")


SMALLEST_ML = 0.1
"""Smallest volume that is drawn, in ml."""


def _observed(axis: Axes, prediction: Prediction, start: tuple[int, float]) -> None:
    case = prediction.case
    observed = [*((day, case.ml(mask)) for day, mask in case.history), start]
    axis.plot(*zip(*observed, strict=True), "ks-", ms=4, label="observed")
    if case.later:
        follow_up = [(day, max(case.ml(mask), SMALLEST_ML)) for day, mask in case.later]
        label = "observed later, not used"
        axis.plot(*zip(*follow_up, strict=True), "ks", mfc="white", ms=4, label=label)
    if case.treatment:
        axis.axvline(0, color="#888888", lw=0.8, ls=":")


def _origin(treatment: Treatment | None) -> str:
    return "start of radiotherapy" if treatment else "first image"


def _word(label: str) -> str:
    """Write the name of a forecast."""
    return label.replace("-", " ")


def _volume_rows(prediction: Prediction) -> list[list[str]]:
    """Return a row for each day: the day, and median and interval of each forecast."""
    rows = []
    for of_day in zip(*prediction.forecasts.values(), strict=True):
        cells = [f"day {of_day[0].day}"]
        for f in of_day:
            low, high = f.interval(0.9)
            end = f"{high:.1f}" if np.isfinite(high) else "no limit"
            cells.append(f"{float(np.median(f.volumes)):.1f} ({low:.1f} to {end})")
        rows.append(cells)
    return rows

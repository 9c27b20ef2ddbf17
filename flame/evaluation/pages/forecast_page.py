"""Page of ``flame predict``: volume curves and a slice viewer in one self-contained file."""

import base64
import json
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from flame.core import html
from flame.core.imaging import Sequence
from flame.core.treatment import Radiation, Treatment
from flame.core.version import __version__
from flame.evaluation.pages.figures import legend_beside, panels, to_svg
from flame.evaluation.pages.forecast import AS_TREATED, Prediction
from flame.preprocessing.stages.interpolation import resample

COLOURS = {
    Radiation.PHOTON: "#1f6fb2",
    Radiation.PROTON: "#b58900",
    Radiation.CARBON: "#c0392b",
    AS_TREATED: "#4b5966",
}
"""Colour of each radiation in the curves."""
_FINER = 2
"""Number of image voxels per forecast voxel along each axis."""


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
        data=Markup(json.dumps(_volumes(prediction))),
    )


def _verdict(prediction: Prediction) -> str:
    last = {radiation: forecasts[-1] for radiation, forecasts in prediction.forecasts.items()}
    day = next(iter(last.values())).day
    before = prediction.case.ml(prediction.case.tumour)
    median = {r: float(np.median(f.volumes)) for r, f in last.items()}
    under = {r: "as treated" if r == AS_TREATED else f"under {r}" for r in median}
    shown = ", ".join(f"{ml:.1f} ml {under[r]}" for r, ml in median.items())
    text = f"Forecast for day {day}, from {before:.1f} ml on day {prediction.case.day}: {shown}."
    bands = [f.interval(0.9) for f in last.values()]
    shared = max(low for low, _ in bands) <= min(high for _, high in bands)
    if len(last) > 1 and shared:
        return text + " The 90 % bands overlap: the radiations are not told apart."
    return text


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
    observed = [start]
    if case.earlier is not None:
        observed.insert(0, (case.earlier[0], case.ml(case.earlier[1])))
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


def _volumes(prediction: Prediction) -> dict[str, Any]:
    """Return the voxels for the viewer: bytes in base64, first axis fastest, RAS+ axes."""
    side = prediction.case.tumour.shape[0]
    return {
        "side": side,
        "finer": _FINER,
        "images": {str(s): _bytes(v) for s, v in _images(prediction, side * _FINER).items()},
        "tumour": _bytes(prediction.case.tumour * 255),
        "probability": {
            str(radiation): {f.day: _bytes(f.probability * 255) for f in forecasts}
            for radiation, forecasts in prediction.forecasts.items()
        },
    }


def _images(prediction: Prediction, side: int) -> dict[Sequence, NDArray[np.float32]]:
    """Return the images before radiotherapy on a finer cube, with grey values from 0 to 255."""
    affine = prediction.affine @ np.diag([1 / _FINER] * 3 + [1.0])
    affine[:3, 3] = (prediction.affine @ [*([(1 / _FINER - 1) / 2] * 3), 1.0])[:3]
    images = {}
    for sequence in (Sequence.T1C, Sequence.FLAIR):
        scan = prediction.baseline.scans.get(sequence)
        if scan is not None:
            voxels = resample(scan.voxels, scan.affine, affine, (side,) * 3)
            low, high = np.quantile(scan.voxels[scan.voxels != 0], [0.01, 0.995])
            grey = np.clip((voxels - low) / (high - low), 0, 1) * 255
            images[sequence] = np.where(voxels == 0, 0, grey).astype(np.float32)
    return images


def _bytes(volume: NDArray[Any]) -> str:
    return base64.b64encode(np.rint(volume).astype(np.uint8).tobytes(order="F")).decode()

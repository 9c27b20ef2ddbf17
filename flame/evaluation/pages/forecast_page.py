"""Page of ``flame predict``: volume curves and a slice viewer in one self-contained file."""

import base64
import json
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flame.core import html
from flame.core.imaging import Sequence
from flame.core.treatment import Radiation
from flame.core.version import __version__
from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.forecast import Prediction
from flame.preprocessing.stages.interpolation import resample

COLOURS = {Radiation.PHOTON: "#1f6fb2", Radiation.PROTON: "#b58900", Radiation.CARBON: "#c0392b"}
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
        planned=_course(prediction),
        baseline_day=prediction.case.day,
        baseline_ml=f"{prediction.case.ml(prediction.case.tumour):.1f}",
        curve=Markup(_curve(prediction)),
        days=days,
        parameters=_parameters(prediction),
        radiations=[str(r) for r in prediction.forecasts],
        volume_rows=_volume_rows(prediction),
        data=Markup(json.dumps(_volumes(prediction))),
    )


def _verdict(prediction: Prediction) -> str:
    last = {radiation: forecasts[-1] for radiation, forecasts in prediction.forecasts.items()}
    day = next(iter(last.values())).day
    before = prediction.case.ml(prediction.case.tumour)
    median = {r: float(np.median(f.volumes)) for r, f in last.items()}
    shown = ", ".join(f"{ml:.1f} ml under {radiation}" for radiation, ml in median.items())
    text = f"Forecast for day {day}, from {before:.1f} ml on day {prediction.case.day}: {shown}."
    bands = [f.interval(0.9) for f in last.values()]
    shared = max(low for low, _ in bands) <= min(high for _, high in bands)
    if len(last) > 1 and shared:
        return text + " The 90 % bands overlap: the radiations are not told apart."
    return text


def _course(prediction: Prediction) -> str:
    return " + ".join(
        f"{p.radiation} {p.dose:g} Gy{' (RBE)' if p.biological else ''} in {p.fractions} fractions"
        for p in prediction.case.treatment.phases
    )


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
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    axis = figure.add_subplot()
    case = prediction.case
    baseline_ml = case.ml(case.tumour)
    observed = [(case.day, baseline_ml)]
    if case.earlier is not None:
        observed.insert(0, (case.earlier[0], case.ml(case.earlier[1])))
    for radiation, part in prediction.volumes().groupby("radiation", sort=False):
        colour = COLOURS[Radiation(str(radiation))]
        days = np.array([case.day, *part["day"]])
        median = np.array([baseline_ml, *part["median_ml"]])
        low = np.array([baseline_ml, *part["low_ml"]])
        high = np.array([baseline_ml, *part["high_ml"]])
        axis.plot(days, median, "o-", color=colour, ms=3.5, label=str(radiation))
        if np.isfinite(high).all():
            axis.fill_between(days, low, high, color=colour, alpha=0.13, lw=0)
    axis.plot(*zip(*observed, strict=True), "ks-", ms=4, label="observed")
    if case.later:
        follow_up = [(day, case.ml(mask)) for day, mask in case.later]
        label = "observed later, not used"
        axis.plot(*zip(*follow_up, strict=True), "ks", mfc="white", ms=4, label=label)
    axis.axvline(0, color="#888888", lw=0.8, ls=":")
    axis.set(xlabel="day from the start of radiotherapy", ylabel="gross tumour volume (ml)")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=8)
    return to_svg(figure, "volumes")


def _volume_rows(prediction: Prediction) -> list[list[str]]:
    rows = []
    for radiation, forecasts in prediction.forecasts.items():
        cells = []
        for f in forecasts:
            low, high = f.interval(0.9)
            end = f"{high:.1f}" if np.isfinite(high) else "no limit"
            cells.append(f"{float(np.median(f.volumes)):.1f} ({low:.1f} to {end})")
        rows.append([str(radiation), *cells])
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

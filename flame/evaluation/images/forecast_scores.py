"""Metrics of tumour forecasts: overlap, surface, volume, new growth and calibration."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from flame.core.monai_import import monai
from flame.core.treatment import Radiation
from flame.models.evolution.model import LEAST_ML, EvolutionCase, EvolutionModel, Forecast
from flame.models.segmentation.case_table import dice

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
NAN = float("nan")

HORIZONS = ((0, 60, "under 60 days"), (60, 120, "60 to 120 days"), (120, 10_000, "over 120 days"))
"""Groups of forecasts by days since the last mask: from, below, and name."""
CHANGE = 0.25
"""Relative change of the volume above which a tumour counts as grown or shrunk."""
SURFACE_MM = 3.0
"""Tolerance of the surface Dice in mm."""
UNITS = {
    "dice": "",
    "changed dice": "",
    "hd95": "mm",
    "surface dice": "",
    "volume error": "",
    "new growth AP": "",
    "crps": "ml",
    "covered 50": "",
    "covered 90": "",
}
"""Unit of each metric; empty for a ratio."""


@dataclass(frozen=True)
class Gap:
    """Mean paired difference between two models over patients.

    Args:
        value: the mean difference.
        low: lower bound of the 95 % interval.
        high: upper bound of the 95 % interval.
        patients: number of patients.
    """

    value: float
    low: float
    high: float
    patients: int


def changed_dice(before: Mask, truth: Mask, found: Mask) -> float:
    """Return the Dice of the voxels that changed and the voxels predicted to change.

    With the symmetric difference C = before ^ truth and P = before ^ found: 2 |C & P| / (|C| +
    |P|). A forecast that repeats the last mask scores 0.

    Args:
        before: (x, y, z) last mask.
        truth: (x, y, z) true later mask.
        found: (x, y, z) predicted later mask.

    Returns:
        Dice from 0 to 1; NaN where nothing changed.

    Example:
        >>> before, truth = np.array([1, 1, 0, 0], bool), np.array([1, 1, 1, 0], bool)
        >>> changed_dice(before, truth, truth)
        1.0
        >>> changed_dice(before, truth, before)
        0.0
    """
    changed = before ^ truth
    return dice(changed, before ^ found) if changed.any() else NAN


def crps(samples: Array, truth: float) -> float:
    """Return the continuous ranked probability score of equally likely samples.

    CRPS = mean |x_i - y| - mean |x_i - x_j| / 2, in the unit of the samples; lower is better.

    Args:
        samples: (n,) samples of the forecast.
        truth: the observed value y.

    Reference:
        Gneiting 2007.

    Example:
        >>> crps(np.array([1.0, 3.0]), 2.0)
        0.5
        >>> crps(np.array([2.0, 2.0]), 2.0)
        0.0
    """
    ordered, n = np.sort(samples), len(samples)
    spread = float((ordered * (2 * np.arange(1, n + 1) - n - 1)).sum()) / n**2
    return float(np.abs(samples - truth).mean()) - spread


def new_growth_precision(before: Mask, truth: Mask, forecast: Forecast) -> float:
    """Return the average precision of the voxel probability for tumour outside the last mask.

    Args:
        before: (x, y, z) last mask.
        truth: (x, y, z) true later mask.
        forecast: forecast of the same day.

    Returns:
        Average precision from 0 to 1; NaN where nothing grew outside the last mask.

    Example:
        >>> before, truth = np.array([1, 0, 0, 0], bool), np.array([1, 1, 0, 0], bool)
        >>> forecast = Forecast(90, np.array([0.9, 0.6, 0.7, 0.1]), np.array([1.0]))
        >>> new_growth_precision(before, truth, forecast)
        0.5
    """
    outside = ~before
    grown = truth[outside]
    if not grown.any():
        return NAN
    return float(average_precision_score(grown, forecast.probability[outside]))


def surface(found: Mask, truth: Mask, spacing: float) -> tuple[float, float]:
    """Return HD95 and surface Dice of two masks.

    HD95 is the 95th percentile of the surface distance. The surface Dice is the share of both
    surfaces within ``SURFACE_MM`` of the other one.

    Args:
        found: (x, y, z) predicted mask.
        truth: (x, y, z) true mask.
        spacing: voxel size in mm, the same along all axes.

    Returns:
        HD95 in mm, and surface Dice from 0 to 1; NaN where a mask is empty.
    """
    import torch

    if not found.any() or not truth.any():
        return NAN, NAN
    a, b = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (found, truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calls its own old argument
        distance = monai.metrics.compute_hausdorff_distance(
            a, b, include_background=True, percentile=95, spacing=spacing
        )
        near = monai.metrics.compute_surface_dice(
            a, b, [SURFACE_MM], include_background=True, spacing=spacing
        )
    return float(distance), float(near)


def covers(forecast: Forecast, ml: float, level: float) -> bool:
    """Return whether the central interval of a forecast contains the observed volume.

    Volumes below ``LEAST_ML`` count as ``LEAST_ML``, as in calibration.

    Args:
        forecast: the forecast.
        ml: observed volume in ml.
        level: probability of the interval, such as 0.9.

    Example:
        >>> forecast = Forecast(90, np.zeros((1, 1, 1)), np.linspace(10, 20, 11))
        >>> covers(forecast, 12.0, 0.5), covers(forecast, 13.0, 0.5)
        (False, True)
    """
    low, high = np.maximum(forecast.interval(level), LEAST_ML)
    return bool(low <= max(ml, LEAST_ML) <= high)


def measures(case: EvolutionCase, truth: Mask, forecast: Forecast) -> dict[str, float]:
    """Return all metrics of one forecast by name, see ``UNITS``.

    Args:
        case: the patient.
        truth: (x, y, z) true mask of the day.
        forecast: forecast of the same day.

    Returns:
        Metrics; NaN where undefined: overlap and surface of an empty true mask, and the relative
        volume error of a true volume of at most 1 ml.
    """
    found, ml = forecast.mask, case.ml(truth)
    hd95, near = surface(found, truth, case.spacing)
    return {
        "dice": dice(found, truth) if truth.any() else NAN,
        "changed dice": changed_dice(case.tumour, truth, found),
        "hd95": hd95,
        "surface dice": near,
        "volume error": abs(float(np.median(forecast.volumes)) / ml - 1) if ml > 1 else NAN,
        "new growth AP": new_growth_precision(case.tumour, truth, forecast),
        "crps": crps(forecast.volumes, ml),
        "covered 50": float(covers(forecast, ml, 0.5)),
        "covered 90": float(covers(forecast, ml, 0.9)),
    }


def evaluate(
    model: EvolutionModel, name: str, cases: list[EvolutionCase], seed: int = 0
) -> pd.DataFrame:
    """Forecast every later mask of the cases and compute all metrics.

    Args:
        model: fitted model.
        name: name of the model in the table.
        cases: patients with later masks.
        seed: seed of the training, written to the table.

    Returns:
        One row for each patient and day: metrics, time horizon, and whether the tumour grew, shrank
        or was stable (``CHANGE``).
    """
    rows = []
    for case in cases:
        forecasts = model.forecast(case, tuple(day for day, _ in case.later))
        for forecast, (day, truth) in zip(forecasts, case.later, strict=True):
            ratio = case.ml(truth) / case.ml(case.tumour)
            trend = "grow" if ratio > 1 + CHANGE else "shrink" if ratio < 1 - CHANGE else "stable"
            horizon = next(n for low, high, n in HORIZONS if low <= day - case.day < high)
            rows.append(
                {
                    "model": name,
                    "centre": case.centre,
                    "patient": case.pseudonym,
                    "seed": seed,
                    "day": day,
                    "horizon": horizon,
                    "trend": trend,
                    **measures(case, truth, forecast),
                }
            )
    return pd.DataFrame(rows)


def by_patient(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Return one value for each seed and patient: the mean over days where the metric is defined.

    Args:
        rows: table as of ``evaluate``.
        metric: name of the metric.
    """
    return rows.groupby(["seed", "patient"])[metric].mean().dropna()


def gap(rows: pd.DataFrame, model: str, against: str, metric: str) -> Gap:
    """Compare two models by their mean difference over patients, with a paired bootstrap interval.

    Args:
        rows: table as of ``evaluate``, with both models.
        model: name of the first model.
        against: name of the model that is subtracted.
        metric: name of the metric.

    Returns:
        The difference; NaN where no patient has both values.

    Example:
        >>> columns = ["model", "seed", "patient", "dice"]
        >>> rows = pd.DataFrame([("a", 0, "p", 0.8), ("b", 0, "p", 0.5)], columns=columns)
        >>> round(gap(rows, "a", "b", "dice").value, 2)
        0.3
    """
    first, second = (by_patient(rows[rows.model == m], metric) for m in (model, against))
    both = (first - second).dropna().to_numpy()
    if not len(both):
        return Gap(NAN, NAN, NAN, 0)
    rng = np.random.default_rng(0)
    means = rng.choice(both, (2000, len(both))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Gap(float(both.mean()), float(low), float(high), len(both))


@dataclass(frozen=True)
class Swap:
    """Relative volume of one patient under another radiation, compared with photons.

    Args:
        radiation: the other radiation.
        true: true volume divided by that under photons, minus 1.
        predicted: the same for the median predicted volumes.
        covered: whether the 90 % interval under this radiation contains its true volume.
    """

    radiation: Radiation
    true: float
    predicted: float
    covered: bool


def swaps(model: EvolutionModel, under: Mapping[Radiation, EvolutionCase], day: int) -> list[Swap]:
    """Compare each ion with photons for one simulated patient.

    Volumes below ``LEAST_ML`` count as ``LEAST_ML``.

    Args:
        model: fitted model.
        under: the patient under each radiation, photons among them, with the true mask of ``day``.
        day: day of the forecast, counted from the start of radiotherapy.
    """

    def truth(case: EvolutionCase) -> float:
        return max(case.ml(dict(case.later)[day]), LEAST_ML)

    forecasts = {r: model.forecast(case, (day,))[0] for r, case in under.items()}
    true = {r: truth(case) for r, case in under.items()}
    middle = {r: max(float(np.median(f.volumes)), LEAST_ML) for r, f in forecasts.items()}
    photon, found = Radiation.PHOTON, []
    for ion in (r for r in under if r is not photon):
        covered = covers(forecasts[ion], true[ion], 0.9)
        found.append(
            Swap(ion, true[ion] / true[photon] - 1, middle[ion] / middle[photon] - 1, covered)
        )
    return found


def sign_accuracy(swaps: list[Swap], least: float = 0.1) -> tuple[float, int]:
    """Return the share of swaps whose predicted effect has the true sign.

    Args:
        swaps: swaps of all patients.
        least: smallest absolute true effect that counts.

    Returns:
        The share, NaN where no effect counts, and the number of swaps that count.

    Example:
        >>> good = Swap(Radiation.CARBON, -0.4, -0.2, True)
        >>> small = Swap(Radiation.PROTON, 0.05, -0.3, True)
        >>> sign_accuracy([good, small])
        (1.0, 1)
    """
    real = [s for s in swaps if abs(s.true) > least]
    right = [np.sign(s.true) == np.sign(s.predicted) for s in real]
    return (float(np.mean(right)) if real else NAN), len(real)


def false_effects(swaps: list[Swap], least: float = 0.1) -> float:
    """Return the share of swaps with a predicted effect in a cohort without true effects.

    Args:
        swaps: swaps of all patients.
        least: smallest absolute predicted effect that counts.

    Returns:
        The share; NaN without swaps.

    Example:
        >>> false_effects([Swap(Radiation.PROTON, 0.0, -0.3, True)])
        1.0
    """
    return float(np.mean([abs(s.predicted) > least for s in swaps])) if swaps else NAN

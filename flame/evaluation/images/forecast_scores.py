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
from flame.evaluation.images.scores import paired
from flame.evaluation.metrics.estimates import crossed_estimate
from flame.models.evolution.model import LEAST_ML, EvolutionCase, EvolutionModel, Forecast
from flame.models.segmentation.case_table import dice

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
NAN = float("nan")

HORIZONS = ((0, 60, "under 60 days"), (60, 120, "60 to 120 days"), (120, 10_000, "over 120 days"))
"""Time horizons in days since the last mask: lower bound (included), upper bound (excluded), name.
The last one has no real upper bound."""
CHANGE = 0.25
"""Relative change of the volume above which a tumour counts as grown or shrunk."""
MISSED_MM = 374.0
"""HD95 in mm of a tumour that a mask misses whole: the diagonal of the grid of the BraTS challenge,
240 x 240 x 155 voxels of 1 mm, which counts misses so (Bakas 2018, arXiv:1811.02629).
"""
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
"""Unit of each metric of ``measures``; empty for a ratio."""


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


def changed_dice(before: Mask, truth: Mask, predicted: Mask) -> float:
    """Return the Dice coefficient of the voxels that changed and the voxels predicted to change.

    With C = before ^ truth and P = before ^ predicted, where ^ is the symmetric difference, it is
    2 |C & P| / (|C| + |P|). A forecast that repeats the last mask scores 0.

    Args:
        before: (x, y, z) last mask.
        truth: (x, y, z) true later mask.
        predicted: (x, y, z) predicted later mask.

    Returns:
        Dice coefficient from 0 to 1; NaN where no voxel changed.

    Example:
        >>> before, truth = np.array([1, 1, 0, 0], bool), np.array([1, 1, 1, 0], bool)
        >>> changed_dice(before, truth, truth)
        1.0
        >>> changed_dice(before, truth, before)
        0.0
    """
    changed = before ^ truth
    return dice(changed, before ^ predicted) if changed.any() else NAN


def crps(samples: Array, truth: float) -> float:
    """Compute the continuous ranked probability score (CRPS) of equally likely samples.

    CRPS = mean |x_i - y| - mean |x_i - x_j| / 2.

    Args:
        samples: (n,) samples x of the forecast.
        truth: the observed value y.

    Returns:
        The score in the unit of the samples, at least 0; lower is better.

    Reference:
        Gneiting 2007.

    Example:
        >>> crps(np.array([1.0, 3.0]), 2.0)
        0.5
        >>> crps(np.array([2.0, 2.0]), 2.0)
        0.0
    """
    ordered = np.sort(samples)
    n = len(samples)
    spread = float((ordered * (2 * np.arange(1, n + 1) - n - 1)).sum()) / n**2
    return float(np.abs(samples - truth).mean()) - spread


def new_growth_precision(before: Mask, truth: Mask, forecast: Forecast) -> float:
    """Return the average precision of the voxel probabilities for tumour outside the last mask.

    Args:
        before: (x, y, z) last mask.
        truth: (x, y, z) true later mask.
        forecast: forecast of the same day.

    Returns:
        Average precision from 0 to 1; NaN where the true mask has no voxel outside the last one.

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


def surface(predicted: Mask, truth: Mask, spacing: float) -> tuple[float, float]:
    """Return HD95 and surface Dice of two masks.

    HD95 is the 95th percentile of the distance between the two surfaces. The surface Dice is the
    share of both surfaces that lies within ``SURFACE_MM`` of the other surface.

    Args:
        predicted: (x, y, z) predicted mask.
        truth: (x, y, z) true mask.
        spacing: voxel size in mm, the same along all axes.

    Returns:
        HD95 in mm, and surface Dice from 0 to 1. A tumour that is missed whole counts
        ``MISSED_MM`` and 0; without a tumour both are NaN.
    """
    import torch

    if not truth.any():
        return NAN, NAN
    if not predicted.any():
        return MISSED_MM, 0.0
    predicted_tensor = torch.from_numpy(predicted[None, None].astype(np.float32))
    true_tensor = torch.from_numpy(truth[None, None].astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI uses a deprecated argument itself
        hd95 = monai.metrics.compute_hausdorff_distance(
            predicted_tensor, true_tensor, include_background=True, percentile=95, spacing=spacing
        )
        surface_dice = monai.metrics.compute_surface_dice(
            predicted_tensor, true_tensor, [SURFACE_MM], include_background=True, spacing=spacing
        )
    return float(hd95), float(surface_dice)


def covers(forecast: Forecast, ml: float, level: float) -> bool:
    """Check whether the central interval of a forecast contains the observed volume.

    Args:
        forecast: the forecast.
        ml: observed volume in ml.
        level: probability of the interval, such as 0.9.

    Returns:
        Whether the volume lies in the interval. Bounds and volumes below ``LEAST_ML`` count as
        ``LEAST_ML``, as in calibration.

    Example:
        >>> forecast = Forecast(90, np.zeros((1, 1, 1)), np.linspace(10, 20, 11))
        >>> covers(forecast, 12.0, 0.5), covers(forecast, 13.0, 0.5)
        (False, True)
    """
    low, high = np.maximum(forecast.interval(level), LEAST_ML)
    return bool(low <= max(ml, LEAST_ML) <= high)


def measures(case: EvolutionCase, truth: Mask, forecast: Forecast) -> dict[str, float]:
    """Compute all metrics of one forecast.

    Args:
        case: the patient.
        truth: (x, y, z) true mask of the day.
        forecast: forecast of the same day.

    Returns:
        Metrics by name, in the units of ``UNITS``. NaN where undefined: overlap and surface
        distance of an empty true mask, and the relative volume error of a true volume of at most
        1 ml.
    """
    predicted = forecast.mask
    ml = case.ml(truth)
    hd95, surface_dice = surface(predicted, truth, case.spacing)
    return {
        "dice": dice(predicted, truth) if truth.any() else NAN,
        "changed dice": changed_dice(case.tumour, truth, predicted),
        "hd95": hd95,
        "surface dice": surface_dice,
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
        One row for each patient and day: metrics, time horizon (``HORIZONS``), and whether the
        tumour grew, shrank or was stable (``CHANGE``).
    """
    rows = []
    for case in cases:
        forecasts = model.forecast(case, tuple(day for day, _ in case.later))
        for forecast, (day, truth) in zip(forecasts, case.later, strict=True):
            ratio = case.ml(truth) / case.ml(case.tumour)
            trend = "grow" if ratio > 1 + CHANGE else "shrink" if ratio < 1 - CHANGE else "stable"
            elapsed = day - case.day
            horizon = next(label for low, high, label in HORIZONS if low <= elapsed < high)
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
    """Average a metric over the days of each patient, separately for each seed.

    Args:
        rows: tables of ``evaluate``, joined.
        metric: name of the metric.

    Returns:
        The mean over days where the metric is defined, indexed by seed and patient; without
        patients that have no such day.
    """
    return rows.groupby(["seed", "patient"])[metric].mean().dropna()


def gap(rows: pd.DataFrame, model: str, against: str, metric: str) -> Gap:
    """Compare two models by their mean difference over patients.

    The paired bootstrap interval is over patients and seeds of training.

    Args:
        rows: tables of ``evaluate``, joined, with both models.
        model: name of the first model.
        against: name of the model that is subtracted.
        metric: name of the metric.

    Returns:
        The mean difference; NaN where no patient has a value of both models.

    Example:
        >>> columns = ["model", "seed", "patient", "dice"]
        >>> rows = pd.DataFrame([("a", 0, "p", 0.8), ("b", 0, "p", 0.5)], columns=columns)
        >>> round(gap(rows, "a", "b", "dice").value, 2)
        0.3
    """
    first, second = (
        by_patient(rows[rows.model == name], metric).unstack("patient") for name in (model, against)
    )
    differences = paired(first, second).dropna(axis=1, how="all")
    estimate = crossed_estimate(differences.to_numpy(float), "no patient has both")
    return Gap(estimate.value, estimate.low, estimate.high, differences.shape[1])


@dataclass(frozen=True)
class Swap:
    """Relative volume of one patient under another radiation, compared with photons.

    Args:
        radiation: the other radiation.
        true: true volume divided by that under photons, minus 1.
        predicted: the same ratio of the predicted median volumes, minus 1.
        covered: whether the 90 % interval under this radiation contains its true volume.
    """

    radiation: Radiation
    true: float
    predicted: float
    covered: bool


def swaps(model: EvolutionModel, under: Mapping[Radiation, EvolutionCase], day: int) -> list[Swap]:
    """Compare every other radiation with photons for one simulated patient.

    Args:
        model: fitted model.
        under: the patient under each radiation, photons among them, with the true mask of ``day``.
        day: day of the forecast, counted from the start of radiotherapy.

    Returns:
        One comparison for each radiation except photons. Volumes below ``LEAST_ML`` count as
        ``LEAST_ML``.
    """

    def truth(case: EvolutionCase) -> float:
        return max(case.ml(dict(case.later)[day]), LEAST_ML)

    forecasts = {r: model.forecast(case, (day,))[0] for r, case in under.items()}
    true = {r: truth(case) for r, case in under.items()}
    median = {r: max(float(np.median(f.volumes)), LEAST_ML) for r, f in forecasts.items()}
    photon = Radiation.PHOTON
    comparisons = []
    for ion in (r for r in under if r is not photon):
        true_effect = true[ion] / true[photon] - 1
        predicted_effect = median[ion] / median[photon] - 1
        covered = covers(forecasts[ion], true[ion], 0.9)
        comparisons.append(Swap(ion, true_effect, predicted_effect, covered))
    return comparisons


def sign_accuracy(swaps: list[Swap], least: float = 0.1) -> tuple[float, int]:
    """Return the share of swaps whose predicted effect has the true sign.

    Args:
        swaps: swaps of all patients.
        least: smallest absolute true effect that counts.

    Returns:
        The share from 0 to 1, which is NaN where no effect counts, and the number of swaps that
        count.

    Example:
        >>> good = Swap(Radiation.CARBON, -0.4, -0.2, True)
        >>> small = Swap(Radiation.PROTON, 0.05, -0.3, True)
        >>> sign_accuracy([good, small])
        (1.0, 1)
    """
    counted = [s for s in swaps if abs(s.true) > least]
    correct = [np.sign(s.true) == np.sign(s.predicted) for s in counted]
    return (float(np.mean(correct)) if counted else NAN), len(counted)


def false_effects(swaps: list[Swap], least: float = 0.1) -> float:
    """Return the share of swaps with a predicted effect in a cohort without true effects.

    Args:
        swaps: swaps of all patients.
        least: smallest absolute predicted effect that counts.

    Returns:
        The share from 0 to 1; NaN without swaps.

    Example:
        >>> false_effects([Swap(Radiation.PROTON, 0.0, -0.3, True)])
        1.0
    """
    return float(np.mean([abs(s.predicted) > least for s in swaps])) if swaps else NAN

"""How well forecasts of a tumour hold: overlap, surface, volume, new growth and uncertainty."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from flame.core.treatment import Radiation
from flame.models.evolution.model import LEAST_ML, EvolutionCase, EvolutionModel, Forecast
from flame.models.segmentation.case_table import dice

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
NAN = float("nan")

HORIZONS = ((0, 60, "under 60 days"), (60, 120, "60 to 120 days"), (120, 10_000, "over 120 days"))
CHANGE = 0.25
"""Relative change of volume above which a tumour counts as grown or shrunk."""
SURFACE_MM = 3.0
"""Tolerance of the surface Dice."""
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


@dataclass(frozen=True)
class Gap:
    """Mean paired difference between two models over patients with its 95 % interval."""

    value: float
    low: float
    high: float
    patients: int


def changed_dice(before: Mask, truth: Mask, found: Mask) -> float:
    """Dice of the voxels that changed with those that were said to; 0 for the last mask again.

    NaN where nothing changed.
    """
    changed = before ^ truth
    return dice(changed, before ^ found) if changed.any() else NAN


def crps(samples: Array, truth: float) -> float:
    """Continuous ranked probability score of equally likely ``samples`` (Gneiting 2007)."""
    ordered, n = np.sort(samples), len(samples)
    spread = float((ordered * (2 * np.arange(1, n + 1) - n - 1)).sum()) / n**2
    return float(np.abs(samples - truth).mean()) - spread


def new_growth_precision(before: Mask, truth: Mask, forecast: Forecast) -> float:
    """Average precision of the voxel probability for tumour outside the last mask."""
    outside = ~before
    grown = truth[outside]
    if not grown.any():
        return NAN
    return float(average_precision_score(grown, forecast.probability[outside]))


def surface(found: Mask, truth: Mask, spacing: float) -> tuple[float, float]:
    """HD95 in mm and surface Dice at SURFACE_MM; NaN where a mask is empty."""
    import torch

    if not found.any() or not truth.any():
        return NAN, NAN
    a, b = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (found, truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calls its own old argument
        distance = compute_hausdorff_distance(
            a, b, include_background=True, percentile=95, spacing=spacing
        )
        near = compute_surface_dice(a, b, [SURFACE_MM], include_background=True, spacing=spacing)
    return float(distance), float(near)


def covers(forecast: Forecast, ml: float, level: float) -> bool:
    """Whether the central interval holds the volume; as for calibration, at least LEAST_ML each."""
    low, high = np.maximum(forecast.interval(level), LEAST_ML)
    return bool(low <= max(ml, LEAST_ML) <= high)


def measures(case: EvolutionCase, truth: Mask, forecast: Forecast) -> dict[str, float]:
    """All figures of one forecast. An empty truth has no overlap or surface: NaN."""
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
    """One row a patient and day: the figures, the horizon, and whether the tumour grew."""
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
    """One value a patient: the mean over the days that have one."""
    return rows.groupby(["seed", "patient"])[metric].mean().dropna()


def gap(rows: pd.DataFrame, model: str, against: str, metric: str) -> Gap:
    """Mean difference of ``model`` and ``against`` over patients, paired bootstrap."""
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
    """Volume under another course relative to that under photons, true and predicted.

    ``covered`` says whether the true volume lies within the 90 % band under that course.
    """

    radiation: Radiation
    true: float
    predicted: float
    covered: bool


def swaps(model: EvolutionModel, under: Mapping[Radiation, EvolutionCase], day: int) -> list[Swap]:
    """Each ion against photons for one patient on ``day``; volumes below LEAST_ML count as it."""

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
    """Share of swaps with the right sign among those that truly differ by ``least``, and n."""
    real = [s for s in swaps if abs(s.true) > least]
    right = [np.sign(s.true) == np.sign(s.predicted) for s in real]
    return (float(np.mean(right)) if real else NAN), len(real)


def false_effects(swaps: list[Swap], least: float = 0.1) -> float:
    """Share of swaps predicted to differ by ``least`` in a cohort where none does."""
    return float(np.mean([abs(s.predicted) > least for s in swaps])) if swaps else NAN

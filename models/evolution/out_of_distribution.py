"""Out-of-distribution checks: whether a patient resembles the training patients."""

import numpy as np
from numpy.typing import NDArray

from flame.core.treatment import Radiation
from flame.models.evolution.counterfactual import main_radiation
from flame.models.evolution.model import EvolutionCase
from flame.physics.radiobiology import bed

Array = NDArray[np.float64]

FEATURES = {
    "tumour volume": "log ml",
    "growth before radiotherapy": "log ratio in 30 days",
    "BED": "Gy",
    "contrast of the tumour on T1c": "standard deviations",
    "contrast of the tumour on FLAIR": "standard deviations",
}
"""Features that are compared, with their units."""
_LEAST_SPREAD = np.array([0.3, 0.1, 3.0, 0.3, 0.3])
"""Smallest standard deviation of each feature, in the order and the units of FEATURES. It applies
where the training patients are almost identical.
"""
FAR = 3.0
"""Number of standard deviations beyond which a patient is reported."""


def features(case: EvolutionCase) -> Array:
    """Compute the features of a patient that are compared with the training patients.

    Args:
        case: patient.

    Returns:
        Values (5,) of FEATURES; NaN for growth without an earlier image, for the BED of an unknown
        course, and for the contrast of a missing sequence.
    """
    growth = np.nan
    if case.earlier is not None:
        earlier_day, mask = case.earlier
        growth = (case.log_ml(case.tumour) - case.log_ml(mask)) * 30 / (case.day - earlier_day)
    contrast = [
        float(case.images[..., n][case.tumour].mean()) if case.images[..., n].any() else np.nan
        for n in range(case.images.shape[-1])
    ]
    effect = bed(case.treatment) if case.treatment else np.nan
    return np.array([case.log_ml(case.tumour), growth, effect, *contrast])


def unlike(case: EvolutionCase, count: Array, mean: Array, squares: Array) -> list[str]:
    """Report each feature that lies more than FAR standard deviations from the training mean.

    Args:
        case: patient.
        count: number of training patients with a known value, by feature (5,).
        mean: mean over training patients (5,).
        squares: sum of squared deviations from the mean over training patients (5,).

    Returns:
        One sentence for each such feature, and for each feature that cannot be compared.
    """
    sentences = []
    spread = np.maximum(np.sqrt(squares / np.maximum(count - 1, 1)), _LEAST_SPREAD)
    for (name, unit), value, known, middle, width in zip(
        FEATURES.items(), features(case), count, mean, spread, strict=True
    ):
        if not np.isfinite(value):
            continue
        if known < 2:
            sentences.append(f"{name} is known for fewer than 2 training patients")
            continue
        distance = abs(value - middle) / width
        if distance > FAR:
            sentences.append(
                f"{name} is {value:.2f} ({unit}), {min(distance, 99):.0f} standard deviations from "
                f"the mean of the training patients ({middle:.2f}): this patient differs from them"
            )
    return sentences


def unknown_radiations(trained: Array, forecast: tuple[Radiation, ...]) -> list[str]:
    """Report each radiation that no training patient received.

    Args:
        trained: number of training patients by radiation, in the order of ``Radiation``.
        forecast: radiations to forecast.

    Returns:
        One sentence for each such radiation.

    Example:
        >>> unknown_radiations(np.array([9.0, 0.0, 0.0]), (Radiation.PHOTON,))
        []
    """
    return [
        f"no training patient received {radiation.value} radiotherapy: its forecast is "
        "extrapolated from physics alone"
        for radiation, count in zip(Radiation, trained, strict=True)
        if radiation in forecast and not count
    ]


def radiation_counts(cases: list[EvolutionCase]) -> Array:
    """Count patients by their main radiation.

    Args:
        cases: patients; those whose course is unknown do not count.

    Returns:
        Counts (3,) in the order of ``Radiation``.
    """
    radiations = [main_radiation(c.treatment) for c in cases if c.treatment]
    return np.array([radiations.count(r) for r in Radiation], float)

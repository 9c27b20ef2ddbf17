"""Whether a patient is like those a model learned from, told from their means and spreads."""

import numpy as np
from numpy.typing import NDArray

from flame.core.treatment import Radiation
from flame.models.clinical.radiobiology import bed
from flame.models.evolution.counterfactual import main_radiation
from flame.models.evolution.model import EvolutionCase

Array = NDArray[np.float64]

FEATURES = {
    "tumour volume": "log ml",
    "growth before radiotherapy": "log ratio in 30 days",
    "BED": "Gy",
    "contrast of the tumour on T1c": "standard deviations",
    "contrast of the tumour on FLAIR": "standard deviations",
}
"""What is compared, and its unit."""
_LEAST_SPREAD = np.array([0.3, 0.1, 3.0, 0.3, 0.3])
"""What a feature varies by at least: training patients may all be alike."""
FAR = 3.0
"""Standard deviations beyond which a patient is called unlike the others."""


def features(case: EvolutionCase) -> Array:
    """Values of FEATURES; NaN where there is no earlier image or no such sequence."""
    growth = np.nan
    if case.earlier is not None:
        then, mask = case.earlier
        growth = (case.log_ml(case.tumour) - case.log_ml(mask)) * 30 / (case.day - then)
    contrast = [
        float(case.images[..., n][case.tumour].mean()) if case.images[..., n].any() else np.nan
        for n in range(case.images.shape[-1])
    ]
    return np.array([case.log_ml(case.tumour), growth, bed(case.treatment), *contrast])


def unlike(case: EvolutionCase, count: Array, mean: Array, squares: Array) -> list[str]:
    """A sentence for each feature that lies far from the training patients.

    ``count``, ``mean`` and summed ``squares`` of deviations are theirs, by feature.
    """
    found = []
    spread = np.maximum(np.sqrt(squares / np.maximum(count - 1, 1)), _LEAST_SPREAD)
    for (name, unit), value, known, middle, width in zip(
        FEATURES.items(), features(case), count, mean, spread, strict=True
    ):
        if not np.isfinite(value):
            continue
        if known < 2:
            found.append(f"{name} is not known of the training patients")
            continue
        distance = abs(value - middle) / width
        if distance > FAR:
            found.append(
                f"{name} is {value:.2f} ({unit}), {min(distance, 99):.0f} standard deviations from "
                f"the training patients ({middle:.2f}): this patient is unlike them"
            )
    return found


def unknown_radiations(given: Array, asked: tuple[Radiation, ...]) -> list[str]:
    """A sentence for each radiation that no training patient was given; ``given`` by Radiation."""
    return [
        f"no training patient was given {radiation.value} radiotherapy: its forecast rests on "
        "physics alone"
        for radiation, count in zip(Radiation, given, strict=True)
        if radiation in asked and not count
    ]


def radiation_counts(cases: list[EvolutionCase]) -> Array:
    """Patients by Radiation."""
    names = [main_radiation(c.treatment) for c in cases]
    return np.array([names.count(r) for r in Radiation], float)

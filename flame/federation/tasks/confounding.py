"""Whether the centre tells which radiation a patient had."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFOUNDED = 0.5
"""Cramér's V of centre and radiation above which a run is said to be confounded."""


def confounding(table: NDArray[np.float64]) -> list[str]:
    """A warning where the centre tells the radiation, or where there is one radiation only.

    ``table`` counts patients by centre and Radiation.
    """
    given = table.sum(axis=0) > 0
    if given.sum() < 2:
        return [
            "all patients had one radiation: forecasts under another are extrapolated from "
            "physics alone"
        ]
    if len(table) < 2 or cramers_v(table[:, given]) <= CONFOUNDED:
        return []
    return [
        "radiation and centre are confounded (one centre gives mostly one radiation): what "
        "differs between centres may pass for an effect of radiation; do not trust forecasts "
        "under another radiation than the one given"
    ]


def cramers_v(table: NDArray[Any]) -> float:
    """Association of the rows and columns of a table of counts, 0 to 1 (Cramér 1946)."""
    total = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    chi2 = float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    return float(np.sqrt(chi2 / total / (min(table.shape) - 1)))

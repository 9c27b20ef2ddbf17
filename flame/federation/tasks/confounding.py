"""A check for confounding of centre and radiation."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.treatment import Radiation, Treatment

CONFOUNDED = 0.5
"""Cramér's V of centre and radiation above which the run warns of confounding."""


def confounding(table: NDArray[np.float64]) -> list[str]:
    """Warn if centre and radiation are confounded, or if all patients had the same radiation.

    Args:
        table: number of patients (centre, radiation), radiations in the order of ``Radiation``.

    Returns:
        One warning if no patient's radiation is known, if all had the same one, or if Cramér's V
        exceeds ``CONFOUNDED``; else none.

    Example:
        >>> len(confounding(np.array([[9.0, 1.0, 0.0], [1.0, 9.0, 0.0]])))
        1
        >>> confounding(np.array([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0]]))
        []
    """
    used = table.sum(axis=0) > 0
    if not used.any():
        return [
            "no radiotherapy is known: forecasts are of the disease as it was treated, and cannot "
            "compare radiations"
        ]
    if used.sum() < 2:
        return [
            "all patients had one radiation: forecasts for another radiation are extrapolated "
            "from physics alone"
        ]
    if len(table) < 2 or cramers_v(table[:, used]) <= CONFOUNDED:
        return []
    return [
        "radiation and centre are confounded (one centre gives mostly one radiation): a "
        "difference between centres may be mistaken for an effect of radiation; do not trust "
        "forecasts for a radiation other than the one given"
    ]


def carbon_conventions(treatments: Iterable[Treatment]) -> list[str]:
    """Warn if carbon doses were weighted by several models.

    Args:
        treatments: courses of all patients.

    Returns:
        One warning if RBE-weighted carbon doses follow several models, or one and unknown ones.

    Example:
        >>> from flame.core.treatment import Phase
        >>> european = Phase(Radiation.CARBON, 60.0, 20, biological=True, convention="lem")
        >>> unknown = Phase(Radiation.CARBON, 57.6, 16, biological=True)
        >>> len(carbon_conventions([Treatment((european,)), Treatment((unknown,))]))
        1
    """
    found = {
        phase.convention or "unknown"
        for treatment in treatments
        for phase in treatment.phases
        if phase.radiation is Radiation.CARBON and phase.biological
    }
    if len(found) < 2:
        return []
    return [
        f"carbon doses were weighted by different models ({', '.join(sorted(found))}): the same "
        "number of Gy(RBE) is another dose, which a difference between centres may be mistaken for"
    ]


def cramers_v(table: NDArray[Any]) -> float:
    """Compute Cramér's V, the association of the rows and columns of a table of counts.

    V = sqrt(chi2 / (N (min(r, c) - 1))), with chi2 the sum of (observed - expected)^2 / expected.

    Args:
        table: counts (r, c), both at least 2.

    Returns:
        V, 0 (independent) to 1 (each determines the other).

    Reference:
        Cramér 1946.

    Example:
        Expected counts are 5: chi2 = 4 * 4^2 / 5 = 12.8, V = sqrt(12.8 / 20) = 0.8.

        >>> round(cramers_v(np.array([[9, 1], [1, 9]])), 2)
        0.8
    """
    total = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    chi2 = float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    return float(np.sqrt(chi2 / total / (min(table.shape) - 1)))

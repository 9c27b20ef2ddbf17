"""Which patients and features a centre may describe, so that no count is about a few patients.

A description consists of counts by feature, outcome and status. A count of 1 to ``least`` - 1
patients is hidden, and so is what would show it as a difference of two other counts (complementary
suppression):

- patients who lack a value that few others lack are left out of the whole description;
- of a feature with few distinct values, the moments and the outcomes by value are counts, and are
  hidden if one of these counts is small;
- if few patients have an outcome or a status, nothing is said by that outcome or status;
- a feature is hidden if its known values are those of another set of patients but for a few.

Reference:
    Hundepool et al. 2012, Statistical Disclosure Control, sections 4.2 and 4.4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_UNKNOWN = -1
_LARGEST_SHARE = 0.2
"""Largest share of the patients that is left out for values that few others lack."""


@dataclass(frozen=True, eq=False)
class Described:
    """What may be described.

    Args:
        rows: indices (m,) of the patients.
        moments: features (p,) whose moments may be sent.
        by_response: features (p,) whose values may be counted by response.
        by_status: features (p,) whose values may be counted by status.
        survival: whether survival may be described.
    """

    rows: NDArray[np.intp]
    moments: Mask
    by_response: Mask
    by_status: Mask
    survival: bool


def described(
    features: NDArray[np.float64],
    response: NDArray[np.float64],
    status: NDArray[np.float64],
    least: int,
) -> Described:
    """Choose what may be described.

    Args:
        features: features (n, p); NaN is a missing value.
        response: 1, 0 or NaN (n,).
        status: 1 for death, 0 for censoring, NaN for unknown survival (n,).
        least: smallest count that may be known; 1: everything may.

    Returns:
        Patients, features and outcomes.

    Example:
        One patient of six lacks the second feature, and is left out.

        >>> x = np.array([[1.5, 2], [2.5, 1], [3.5, 4], [4.5, 3], [5.5, 6], [6.5, np.nan]])
        >>> unknown = np.full(6, np.nan)
        >>> described(x, unknown, unknown, least=2).rows
        array([0, 1, 2, 3, 4])
    """
    rows = _without_rare_gaps(np.column_stack([features, response, status]), least)
    known = [np.isfinite(features[rows, column]) for column in range(features.shape[1])]
    outcomes = [_codes(values[rows], least) for values in (response, status)]
    survival = _large(outcomes[1], least)
    seen: list[Mask] = [np.isfinite(status[rows])] if survival else []
    allowed = np.zeros((3, features.shape[1]), bool)
    for column, here in enumerate(known):
        values = _codes(features[rows, column], least)
        sets = [here, here & np.isfinite(response[rows]), here & np.isfinite(status[rows])]
        kinds = [values, _crossed(values, outcomes[0]), _crossed(values, outcomes[1])]
        for kind, (chosen, cells) in enumerate(zip(sets, kinds, strict=True)):
            whole = [True, _large(outcomes[0], least), survival][kind]
            apart = all(_apart(chosen, other, least) for other in seen)
            if whole and apart and _large(cells, least) and (kind == 0 or allowed[0, column]):
                allowed[kind, column] = True
                seen.append(chosen)
    return Described(rows, allowed[0], allowed[1], allowed[2], survival)


def _without_rare_gaps(values: NDArray[np.float64], least: int) -> NDArray[np.intp]:
    """Leave out rows with gaps that fewer than ``least`` rows have, rarest first, up to a share."""
    gaps = np.isnan(values)
    kept = np.ones(len(values), bool)
    columns = list(range(values.shape[1]))
    while columns:
        column = min(columns, key=lambda c: int(gaps[kept, c].sum()))
        columns.remove(column)
        left = kept & ~gaps[:, column]
        rare = (kept & gaps[:, column]).sum() < least
        if rare and (~left).sum() <= _LARGEST_SHARE * len(values):
            kept = left
    return np.flatnonzero(kept)


def _codes(values: NDArray[np.float64], least: int) -> NDArray[np.intp]:
    """Return a category for each value: its rank if there are few distinct ones, else 0."""
    codes = np.full(len(values), _UNKNOWN)
    known = np.isfinite(values)
    distinct, ranks = np.unique(values[known], return_inverse=True)
    codes[known] = ranks if len(distinct) <= max(least, 3) else 0
    return codes


def _crossed(a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    both = (a != _UNKNOWN) & (b != _UNKNOWN)
    return np.where(both, a * (b.max(initial=0) + 1) + b, _UNKNOWN)


def _large(codes: NDArray[np.intp], least: int) -> bool:
    """Return whether every category that occurs has at least ``least`` members, and one occurs."""
    counts = np.bincount(codes[codes != _UNKNOWN])
    return bool(counts.sum() >= least and (counts[counts > 0] >= least).all())


def _apart(one: Mask, other: Mask, least: int) -> bool:
    """Return whether two sets are equal or differ by at least ``least`` members either way."""
    return all(not 0 < (a & ~b).sum() < least for a, b in ((one, other), (other, one)))

"""AUC and C-index with confidence intervals, from counts and sums that centres can add."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Scored
from flame.models.regression.additive import Additive
from flame.models.regression.survival_curves import (
    Z,
    all_common,
    counted,
    few_of_either,
    in_blocks,
)

Array = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Number of patients with and without an outcome at each score.

    Args:
        scores: distinct scores (s,) in ascending order.
        yes: number of patients with the outcome (s,).
        no: number of patients without it (s,).
    """

    scores: Array
    yes: Array
    no: Array


def score_counts(scores: Array, outcome: Array, least: int = 1) -> ScoreCounts:
    """Count patients by score, with at least ``least`` patients at each score.

    Neighbours in score with the outcome form groups, and so do those without. Each score is
    replaced by the mean of its group.

    Args:
        scores: score (n,) of each patient.
        outcome: 1 with the outcome, 0 without (n,).
        least: smallest group size; 1 keeps the scores.

    Returns:
        Counts at each score. They are empty if fewer than ``least`` patients have the outcome, or
        do not, unless it is nobody.
    """
    return ScoreCounts(*counted(scores, outcome > 0.5, least))


def auc_of(parts: list[ScoreCounts]) -> tuple[float, float, float]:
    """Compute the AUC over all patients with its 95 % interval by the method of DeLong.

    Args:
        parts: counts of each centre.

    Returns:
        AUC, lower limit, upper limit.

    Example:
        >>> counts = score_counts(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> auc_of([counts])[0]  # 3 of 4 pairs in order
        0.75
    """
    return _interval(*auc_and_variance(parts))


def _interval(value: float, variance: float) -> tuple[float, float, float]:
    """Return a value and its normal 95 % interval, limited to 0 and 1."""
    half_width = Z * float(np.sqrt(variance))
    return value, max(value - half_width, 0.0), min(value + half_width, 1.0)


def scored_auc(predicted: Array, outcome: Array) -> Scored:
    """Compute the AUC as a score, weighted by the number of pairs of patients.

    Args:
        predicted: predicted probability (n,) of the outcome.
        outcome: 1 with the outcome, 0 without (n,).

    Returns:
        AUC with its variance; ``events`` counts the patients with the outcome.
    """
    value, variance = auc_and_variance([score_counts(predicted, outcome)])
    events = int(outcome.sum())
    pairs = float(events * (len(outcome) - events))
    return Scored("auc", value, variance, pairs, len(outcome), events)


def auc_and_variance(parts: list[ScoreCounts]) -> tuple[float, float]:
    """Compute the AUC over all patients and its variance by the method of DeLong.

    The AUC is the probability that a patient with the outcome has a higher score than one without
    it; ties count one half.

    Args:
        parts: counts of each centre.

    Returns:
        AUC and its variance; both NaN without two classes.

    Reference:
        DeLong et al. 1988, doi:10.2307/2531595.
    """
    values = np.unique(np.concatenate([p.scores for p in parts]))
    yes = np.zeros(len(values))
    no = np.zeros(len(values))
    for part in parts:
        at = np.searchsorted(values, part.scores)
        yes[at] += part.yes
        no[at] += part.no
    if not yes.sum() or not no.sum():
        return NAN, NAN
    # DeLong's placements: share of the other class that is lower (higher); ties count half.
    above = (np.cumsum(no) - no / 2) / no.sum()
    below = (np.cumsum(yes[::-1])[::-1] - yes / 2) / yes.sum()
    value = float(yes @ above / yes.sum())
    variance = sum(
        float(count @ (placed - value) ** 2) / max(count.sum() - 1, 1) / count.sum()
        for count, placed in ((yes, above), (no, below))
    )
    return value, variance


@dataclass(frozen=True, eq=False)
class Pairs(Additive):
    """Sums over comparable pairs: pairs in which one patient is known to have lived longer.

    The last three fields are sums over patients, for the variance.

    Args:
        pairs: number of comparable pairs.
        concordant: number of pairs whose scores are in the right order; ties count one half.
        pairs_squared: sum of squares of the pairs of each patient.
        concordant_squared: sum of squares of the ordered pairs of each patient.
        product: sum of products of both.
    """

    pairs: float
    concordant: float
    pairs_squared: float
    concordant_squared: float
    product: float


def lived_longer(days: Array, died: Array) -> NDArray[np.bool_]:
    """Mark the pairs whose second patient is known to have lived longer than the first.

    The first patient died before the second's last known day, or on that day while the second did
    not die.

    Args:
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).

    Returns:
        Matrix (n, n) of first and second patients; True where the second lived longer.

    Example:
        >>> lived_longer(np.array([1.0, 2.0]), np.array([1.0, 0.0])).tolist()
        [[False, True], [False, False]]
    """
    dead = died > 0.5
    longer = (days[:, None] < days) | ((days[:, None] == days) & ~dead)
    return np.asarray(dead[:, None] & longer)


@dataclass(frozen=True, eq=False)
class Groups:
    """Patients grouped by score, last day and status.

    Args:
        scores: score (g,).
        days: last known day (g,).
        died: 1 for death, 0 for censoring (g,).
        counts: number of patients (g,).
    """

    scores: Array
    days: Array
    died: Array
    counts: Array


def groups_of(scores: Array, days: Array, died: Array, least: int = 1) -> Groups:
    """Group patients with neighbours in time and then in score, at least ``least`` in each group.

    Patients who died and patients who did not are grouped separately. The days and scores of a
    group are replaced by their means.

    Args:
        scores: score (n,) of each patient.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        least: smallest group size; 1 keeps all values.

    Returns:
        Groups. There are none if fewer than ``least`` patients died, or were censored, unless it is
        nobody.
    """
    dead = died > 0.5
    if few_of_either(dead, least):
        return Groups(*np.zeros((4, 0)))
    few = all(all_common(scores[group], least) for group in (dead, ~dead))
    rows = [
        (scores[members].mean(), days[members].mean(), float(status), float(len(members)))
        for status, group in ((1, dead), (0, ~dead))
        for same in ([group & (scores == s) for s in np.unique(scores)] if few else [group])
        for members in _in_time_and_score(np.flatnonzero(same), scores, days, least)
    ]
    return Groups(*np.array(rows).reshape(-1, 4).T)


def _in_time_and_score(
    patients: NDArray[np.intp], scores: Array, days: Array, least: int
) -> list[NDArray[np.intp]]:
    """Split patients into slabs of time, which hold about as many groups as there are slabs."""
    if not len(patients):
        return []
    slab = least * max(int(np.sqrt(len(patients) / least)), 1)
    return [
        members
        for in_time in in_blocks(patients[np.argsort(days[patients], kind="stable")], slab)
        for members in in_blocks(in_time[np.argsort(scores[in_time], kind="stable")], least)
    ]


def pairs_of(groups: Groups) -> Pairs:
    """Count the comparable pairs among some patients.

    A pair is in the right order where the patient who lived longer has the higher score; ties count
    one half.

    Args:
        groups: patients of one centre.

    Returns:
        Sums over the comparable pairs.

    Example:
        >>> groups = groups_of(np.array([0.2, 0.9, 0.4]), np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> pairs = pairs_of(groups)
        >>> pairs.pairs, pairs.concordant
        (3.0, 2.0)
    """
    scores = groups.scores
    counts = groups.counts
    comparable = lived_longer(groups.days, groups.died).astype(float)
    ordered = comparable * ((scores[:, None] < scores) + 0.5 * (scores[:, None] == scores))
    pairs_by_patient = comparable @ counts + counts @ comparable
    ordered_by_patient = ordered @ counts + counts @ ordered
    return Pairs(
        float(counts @ comparable @ counts),
        float(counts @ ordered @ counts),
        float(counts @ pairs_by_patient**2),
        float(counts @ ordered_by_patient**2),
        float(counts @ (pairs_by_patient * ordered_by_patient)),
    )


def pairs_across(parts: list[Groups]) -> Pairs:
    """Count the comparable pairs among the patients of all centres, including pairs across centres.

    Args:
        parts: patients of each centre.

    Returns:
        Sums over the comparable pairs.
    """
    fields = zip(*(vars(p).values() for p in parts), strict=True)
    return pairs_of(Groups(*(np.concatenate(f) for f in fields)))


def c_index_of(pairs: Pairs) -> tuple[float, float, float]:
    """Compute the C-index with its 95 % interval.

    Args:
        pairs: sums over comparable pairs.

    Returns:
        C-index, lower limit, upper limit.
    """
    return _interval(*c_index_and_variance(pairs))


def scored_c_index(predicted: Array, days: Array, died: Array) -> Scored:
    """Compute the C-index as a score, weighted by the number of comparable pairs.

    Args:
        predicted: predicted score (n,), higher for longer survival.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).

    Returns:
        C-index with its variance; ``events`` counts the deaths.
    """
    pairs = pairs_of(groups_of(predicted, days, died))
    value, variance = c_index_and_variance(pairs)
    return Scored("c_index", value, variance, pairs.pairs, len(days), int(died.sum()))


def c_index_and_variance(pairs: Pairs) -> tuple[float, float]:
    """Compute the C-index and its variance.

    The C-index is the share of comparable pairs in the right order. Its variance is that of the
    infinitesimal jackknife over patients.

    Args:
        pairs: sums over comparable pairs.

    Returns:
        C-index and its variance; both NaN without comparable pairs.

    Example:
        >>> groups = groups_of(np.array([0.2, 0.9, 0.4]), np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> round(c_index_and_variance(pairs_of(groups))[0], 4)  # 2 of 3 pairs
        0.6667
    """
    if not pairs.pairs:
        return NAN, NAN
    value = pairs.concordant / pairs.pairs
    squares = pairs.concordant_squared - 2 * value * pairs.product + value**2 * pairs.pairs_squared
    return value, max(squares, 0.0) / pairs.pairs**2

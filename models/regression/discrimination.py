"""AUC and C-index with confidence intervals, from counts and sums that centres can add."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Scored
from flame.models.regression.additive import Additive
from flame.models.regression.survival_curves import Z, blocks, in_blocks

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

    Neighbouring scores are grouped and replaced by the median of their group.

    Args:
        scores: score (n,) of each patient.
        outcome: 1 with the outcome, 0 without (n,).
        least: smallest group size; 1 keeps the scores. With fewer patients nothing is counted.
    """
    order = np.argsort(scores, kind="stable")
    shared = blocks(scores[order], least)
    if not len(shared):
        return ScoreCounts(shared, shared, shared)
    values, place = np.unique(shared, return_inverse=True)
    yes = outcome[order] > 0.5
    each = (np.bincount(place, who.astype(float), len(values)) for who in (yes, ~yes))
    counts = [np.asarray(c, np.float64) for c in each]
    return ScoreCounts(values, *counts)


def auc_of(parts: list[ScoreCounts]) -> tuple[float, float, float]:
    """Return the AUC over all patients with its 95 % interval after DeLong.

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
    half = Z * float(np.sqrt(variance))
    return value, max(value - half, 0.0), min(value + half, 1.0)


def scored_auc(told: Array, outcome: Array) -> Scored:
    """Return the AUC as a score, weighted by the number of pairs of patients.

    Args:
        told: predicted probability (n,) of the outcome.
        outcome: 1 with the outcome, 0 without (n,).
    """
    value, variance = auc_and_variance([score_counts(told, outcome)])
    events = int(outcome.sum())
    pairs = float(events * (len(outcome) - events))
    return Scored("auc", value, variance, pairs, len(outcome), events)


def auc_and_variance(parts: list[ScoreCounts]) -> tuple[float, float]:
    """Return the AUC over all patients and its variance after DeLong; both NaN without two classes.

    The AUC is the probability that a patient with the outcome has a higher score than one without
    it; ties count one half.

    Args:
        parts: counts of each centre.

    Reference:
        DeLong et al. 1988, doi:10.2307/2531595.
    """
    values = np.unique(np.concatenate([p.scores for p in parts]))
    yes, no = np.zeros(len(values)), np.zeros(len(values))
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
        told: number of pairs whose scores are in the right order; ties count one half.
        pairs_squared: sum of squares of the pairs of each patient.
        told_squared: sum of squares of the ordered pairs of each patient.
        product: sum of products of both.
    """

    pairs: float
    told: float
    pairs_squared: float
    told_squared: float
    product: float


def lived_longer(days: Array, died: Array) -> NDArray[np.bool_]:
    """Return whether the second patient of each pair is known to have lived longer than the first.

    That is where the first died before the second's last day, or on that day while the second did
    not.

    Args:
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).

    Returns:
        Matrix (n, n): first patient, second patient.

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

    A group takes the medians of its days and scores. Patients of a group who died and those who did
    not are counted separately.

    Args:
        scores: score (n,) of each patient.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        least: smallest group size; 1 keeps all values. With fewer patients nothing is counted.
    """
    found: list[tuple[float, ...]] = []
    if not 0 < len(days) >= least:
        return Groups(*np.zeros((4, 0)))
    slab = least * max(int(np.sqrt(len(days) / least)), 1)
    for late in in_blocks(np.argsort(days, kind="stable"), slab):
        for near in in_blocks(late[np.argsort(scores[late], kind="stable")], least):
            dead = float((died[near] > 0.5).sum())
            medians = np.median(scores[near]), np.median(days[near])
            found += [(*medians, 1.0, dead), (*medians, 0.0, len(near) - dead)]
    rows = np.array(found)
    return Groups(*rows[rows[:, 3] > 0].T)


def pairs_of(groups: Groups) -> Pairs:
    """Count the comparable pairs among some patients.

    A pair is in the right order where the patient who lived longer has the higher score; ties count
    one half.

    Args:
        groups: patients of one centre.

    Example:
        >>> groups = groups_of(np.array([0.2, 0.9, 0.4]), np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> pairs = pairs_of(groups)
        >>> pairs.pairs, pairs.told
        (3.0, 2.0)
    """
    scores, counts = groups.scores, groups.counts
    first = lived_longer(groups.days, groups.died).astype(float)
    won = first * ((scores[:, None] < scores) + 0.5 * (scores[:, None] == scores))
    each, told = (m @ counts + counts @ m for m in (first, won))
    return Pairs(
        float(counts @ first @ counts),
        float(counts @ won @ counts),
        float(counts @ each**2),
        float(counts @ told**2),
        float(counts @ (each * told)),
    )


def pairs_across(parts: list[Groups]) -> Pairs:
    """Count the comparable pairs among the patients of all centres, including pairs across centres.

    Args:
        parts: patients of each centre.
    """
    fields = zip(*(vars(p).values() for p in parts), strict=True)
    return pairs_of(Groups(*(np.concatenate(f) for f in fields)))


def c_index_of(pairs: Pairs) -> tuple[float, float, float]:
    """Return the C-index with its 95 % interval.

    Args:
        pairs: sums over comparable pairs.

    Returns:
        C-index, lower limit, upper limit.
    """
    return _interval(*c_index_and_variance(pairs))


def scored_c_index(told: Array, days: Array, died: Array) -> Scored:
    """Return the C-index as a score, weighted by the number of comparable pairs.

    Args:
        told: score (n,), higher for longer survival.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
    """
    pairs = pairs_of(groups_of(told, days, died))
    value, variance = c_index_and_variance(pairs)
    return Scored("c_index", value, variance, pairs.pairs, len(days), int(died.sum()))


def c_index_and_variance(pairs: Pairs) -> tuple[float, float]:
    """Return the C-index and its variance; both NaN without comparable pairs.

    The C-index is the share of comparable pairs in the right order. Its variance is that of the
    infinitesimal jackknife over patients.

    Args:
        pairs: sums over comparable pairs.

    Example:
        >>> groups = groups_of(np.array([0.2, 0.9, 0.4]), np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> round(c_index_and_variance(pairs_of(groups))[0], 4)  # 2 of 3 pairs
        0.6667
    """
    if not pairs.pairs:
        return NAN, NAN
    value = pairs.told / pairs.pairs
    squares = pairs.told_squared - 2 * value * pairs.product + value**2 * pairs.pairs_squared
    return value, max(squares, 0.0) / pairs.pairs**2

"""AUC and C-index with intervals, from counts and sums that centres can add."""

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
    """Patients with (``yes``) and without (``no``) an outcome at ascending ``scores`` (s,)."""

    scores: Array
    yes: Array
    no: Array


def score_counts(scores: Array, outcome: Array, least: int = 1) -> ScoreCounts:
    """Counts of patients, each score shared by at least ``least`` neighbours (their median)."""
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
    """AUC over all patients, and its 95 % interval after DeLong."""
    return _interval(*auc_and_variance(parts))


def _interval(value: float, variance: float) -> tuple[float, float, float]:
    half = Z * float(np.sqrt(variance))
    return value, max(value - half, 0.0), min(value + half, 1.0)


def scored_auc(told: Array, outcome: Array) -> Scored:
    """AUC of probabilities of an outcome (n,)."""
    value, variance = auc_and_variance([score_counts(told, outcome)])
    events = int(outcome.sum())
    pairs = float(events * (len(outcome) - events))
    return Scored("auc", value, variance, pairs, len(outcome), events)


def auc_and_variance(parts: list[ScoreCounts]) -> tuple[float, float]:
    """AUC over all patients, its variance after DeLong (1988, doi:10.2307/2531595)."""
    values = np.unique(np.concatenate([p.scores for p in parts]))
    yes, no = np.zeros(len(values)), np.zeros(len(values))
    for part in parts:
        at = np.searchsorted(values, part.scores)
        yes[at] += part.yes
        no[at] += part.no
    if not yes.sum() or not no.sum():
        return NAN, NAN
    # Share of the others that each patient is placed above (below), ties half.
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
    """Pairs of patients of whom one is known to have lived longer: how many, how many are told.

    The others are sums over patients of both, squared and multiplied, for the variance.
    """

    pairs: float
    told: float
    pairs_squared: float
    told_squared: float
    product: float


def lived_longer(days: Array, died: Array) -> NDArray[np.bool_]:
    """Pairs (n, n) in which the second patient is known to have lived longer than the first."""
    dead = died > 0.5
    longer = (days[:, None] < days) | ((days[:, None] == days) & ~dead)
    return np.asarray(dead[:, None] & longer)


@dataclass(frozen=True, eq=False)
class Groups:
    """``counts`` (g,) of patients with one score, one last day and one status (g,)."""

    scores: Array
    days: Array
    died: Array
    counts: Array


def groups_of(scores: Array, days: Array, died: Array, least: int = 1) -> Groups:
    """Patients with at least ``least`` neighbours, in time and then in score, of the same medians.

    Those of a group who died and those who did not are counted apart. Fewer patients than
    ``least`` count for nothing.
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
    """Pairs among these patients alone; scores are the higher the longer alive, ties half."""
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
    """Pairs among the patients of all centres, also those of two of them."""
    fields = zip(*(vars(p).values() for p in parts), strict=True)
    return pairs_of(Groups(*(np.concatenate(f) for f in fields)))


def c_index_of(pairs: Pairs) -> tuple[float, float, float]:
    """C-index, and its 95 % interval."""
    return _interval(*c_index_and_variance(pairs))


def scored_c_index(told: Array, days: Array, died: Array) -> Scored:
    """C-index of scores (n,) that are the higher the longer alive."""
    pairs = pairs_of(groups_of(told, days, died))
    value, variance = c_index_and_variance(pairs)
    return Scored("c_index", value, variance, pairs.pairs, len(days), int(died.sum()))


def c_index_and_variance(pairs: Pairs) -> tuple[float, float]:
    """C-index, its variance by the infinitesimal jackknife over patients."""
    if not pairs.pairs:
        return NAN, NAN
    value = pairs.told / pairs.pairs
    squares = pairs.told_squared - 2 * value * pairs.product + value**2 * pairs.pairs_squared
    return value, max(squares, 0.0) / pairs.pairs**2

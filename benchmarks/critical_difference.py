"""Ranks of methods over several streams, and which differences are more than chance.

Reference:
    Demsar 2006, jmlr.org/papers/v7/demsar06a.html (Friedman and Nemenyi tests, and the diagram);
    Benavoli 2016, jmlr.org/papers/v17/benavoli16a.html (paired tests instead of mean ranks alone);
    Holm 1979, doi:10.2307/4615733.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range, wilcoxon

LEVEL = 0.05


class Ranks(NamedTuple):
    """Ranks of methods.

    Args:
        table: rows by method, the best first. ``rank``: mean rank, 1 is best. Compared with one
            method, ``more`` is how many points it is more accurate, ``wins`` in how many streams,
            and ``p`` the corrected p-value; NaN for this method itself.
        p: p-value of the hypothesis that all methods are alike.
        critical: difference of two mean ranks that is more than chance.
    """

    table: pd.DataFrame
    p: float
    critical: float


def ranked(mean: pd.DataFrame, own: str) -> Ranks:
    """Rank methods, and test one of them against each other one.

    Args:
        mean: accuracy of each method (columns) on each stream (rows).
        own: the method that is compared.

    Returns:
        The ranks.

    Example:
        Nemenyi's critical difference of 2 methods over 4 streams: 1.96 * sqrt(2 * 3 / (6 * 4)).

        >>> found = ranked(pd.DataFrame({"a": [4, 3, 4, 4], "b": [1, 2, 3, 1], "c": 0}), "a")
        >>> found.table["rank"].tolist()
        [1.0, 2.0, 3.0]
        >>> round(ranked(pd.DataFrame({"a": [4, 3, 4, 4], "b": 1}), "a").critical, 2)
        0.98
    """
    streams, methods = mean.shape
    rank = mean.rank(axis=1, ascending=False).mean().rename("rank")
    others = [name for name in mean if name != own]
    more = pd.Series({name: (mean[own] - mean[name]).mean() for name in others}, name="more")
    wins = pd.Series({name: (mean[own] > mean[name]).sum() for name in others}, name="wins")
    raw = pd.Series({name: wilcoxon(mean[own], mean[name]).pvalue for name in others})
    p = holm(raw).rename("p")
    q = studentized_range.ppf(1 - LEVEL, methods, np.inf) / np.sqrt(2)
    critical = float(q * np.sqrt(methods * (methods + 1) / (6 * streams)))
    alike = friedmanchisquare(*mean.to_numpy().T).pvalue if methods > 2 else np.nan
    return Ranks(pd.concat([rank, more, wins, p], axis=1).sort_values("rank"), alike, critical)


def holm(p: "pd.Series[float]") -> "pd.Series[float]":
    """Correct p-values for their number.

    Example:
        Of three, the smallest counts three times, the next twice, and none less than one before.

        >>> holm(pd.Series({"a": 0.01, "b": 0.02, "c": 0.03})).tolist()
        [0.03, 0.04, 0.04]
    """
    ordered = p.sort_values()
    times = np.arange(len(p), 0, -1)
    return (ordered * times).cummax().clip(upper=1).reindex(p.index)


def plotted(ranks: Ranks, path: Path) -> None:
    """Draw the mean ranks, and bars over methods whose ranks differ by chance."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    rank = ranks.table["rank"]
    figure, axes = plt.subplots(figsize=(7, 0.28 * len(rank) + 1))
    rows = np.arange(len(rank))
    axes.plot(rank, rows, "o", color="black")
    for row, value in zip(rows, rank, strict=True):
        last = np.flatnonzero(rank.to_numpy() <= value + ranks.critical)[-1]
        axes.plot([value, min(value + ranks.critical, rank.iloc[last])], [row, row], color="grey")
    axes.set_yticks(rows, rank.index)
    axes.invert_yaxis()
    axes.set_xlabel(
        f"mean rank (1 is best); lines: ranks that differ by chance, {ranks.critical:.2f}"
    )
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

"""Counts of predicted and true classes, and the measures that a frequent class does not hide.

A method that always answers with the most frequent class has a high accuracy where the other class
is rare, a balanced accuracy of 1 / classes, a kappa of 0 and an AUC of 0.5.
"""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

_TRUE, _PREDICTED, _RIGHT = "true_", "predicted_", "right_"
"""Beginnings of the columns with rows of each class: true ones, predicted ones, and both."""
_PAIRS, _ORDERED = "pairs", "ordered"
"""Columns with pairs of rows of both classes, and those in which the second has the higher
probability; ties count half."""


def counted(probability: Array, batch: Batch) -> dict[str, Array]:
    """Count what balanced accuracy, kappa and AUC are computed from.

    Args:
        probability: predicted probabilities (n, m, classes).
        batch: the rows that were predicted.

    Returns:
        Columns (n,) by name: rows of each class, and with two classes the pairs of a batch.
    """
    predicted = probability.argmax(axis=-1)
    columns: dict[str, Array] = {}
    for k in range(probability.shape[-1]):
        true = batch.exists & (batch.truth == k)
        said = batch.exists & (predicted == k)
        counts = {_TRUE: true, _PREDICTED: said, _RIGHT: true & said}
        columns |= {f"{name}{k}": mask.sum(axis=1) for name, mask in counts.items()}
    if probability.shape[-1] == 2:
        nodes = zip(probability[..., 1], batch.truth, batch.exists, strict=True)
        pairs = np.array([_pairs(p[e], t[e]) for p, t, e in nodes])
        columns |= {_PAIRS: pairs[:, 0], _ORDERED: pairs[:, 1]}
    return columns


def _pairs(probability: Array, truth: NDArray[np.int64]) -> tuple[float, float]:
    """Return the pairs of rows of both classes, and those in the right order (Mann 1947)."""
    positive = int(truth.sum())
    pairs = positive * (len(truth) - positive)
    if not pairs:
        return 0.0, 0.0
    ranks = rankdata(probability)[truth == 1].sum()
    return float(pairs), float(ranks - positive * (positive + 1) / 2)


def rare_measures(run: pd.DataFrame) -> dict[str, float]:
    """Compute the measures over all rows of a run.

    Args:
        run: a table with the columns of ``counted``.

    Returns:
        ``balanced``: the mean over classes of the share of their rows that were predicted.
        ``kappa``: (p - e) / (1 - e), with the share p of rows that were predicted and the share e
        expected by chance from the numbers of true and predicted classes (Cohen 1960). ``auc``: the
        share of pairs of rows of the same batch, one of each class, in which that of the second
        class has the higher probability. NaN where a class has no row, or all rows and predictions
        are of one class; the AUC with more than two classes; all where a site told the accuracy of
        a batch without its counts, or in runs of older versions, which lack the columns.

    Example:
        Always the first class, which 9 of 10 rows have.

        >>> from flame.streams.stream import padded
        >>> x, y = np.zeros((10, 1)), np.array([0] * 9 + [1])
        >>> always = np.tile([0.9, 0.1], (1, 10, 1))
        >>> rare_measures(pd.DataFrame(counted(always, padded([(x, y, y)], (1,)))))
        {'balanced': 0.5, 'kappa': 0.0, 'auc': 0.5}
    """
    counts = run.get(f"{_TRUE}0")
    if counts is None or ("accuracy" in run and (run.accuracy.notna() & counts.isna()).any()):
        return dict.fromkeys(("balanced", "kappa", "auc"), float("nan"))
    true, predicted, right = (_totals(run, name) for name in (_TRUE, _PREDICTED, _RIGHT))
    rows = true.sum()
    chance = float((true * predicted).sum() / rows**2) if rows else 1.0
    balanced = float((right / np.where(true > 0, true, np.nan)).mean())
    kappa = (right.sum() / rows - chance) / (1 - chance) if chance < 1 else np.nan
    pairs = run[_PAIRS].sum() if _PAIRS in run else 0.0
    auc = float(run[_ORDERED].sum() / pairs) if pairs else float("nan")
    return {"balanced": balanced, "kappa": float(kappa), "auc": auc}


def _totals(run: pd.DataFrame, name: str) -> Array:
    """Return the sums (classes,) of the columns of all classes."""
    numbers = [int(c.removeprefix(name)) for c in map(str, run) if re.fullmatch(rf"{name}\d+", c)]
    return run[[f"{name}{k}" for k in sorted(numbers)]].sum().to_numpy(float)

"""Balanced accuracy, kappa and AUC against scikit-learn, over batches and nodes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from flame.streams.classified import counted, rare_measures
from flame.streams.networks.base import Array
from flame.streams.stream import Batch, padded


def batch_of(truth: Array) -> Batch:
    """Two nodes, the second of which has one row less."""
    rows = [truth, truth[:-1]]
    return padded([(np.zeros((len(y), 1)), y, y) for y in rows], shape=(1,))


@pytest.mark.parametrize("classes", [2, 3, 11])
def test_measures_are_those_of_an_independent_implementation(classes: int) -> None:
    rng = np.random.default_rng(classes)
    tables, truth, predicted = [], [], []
    for _ in range(4):
        batch = batch_of(rng.choice(classes, 60))
        probability = rng.dirichlet(np.ones(classes), batch.y.shape)
        tables.append(pd.DataFrame(counted(probability, batch)))
        truth.append(batch.truth[batch.exists])
        predicted.append(probability.argmax(axis=-1)[batch.exists])
    found = rare_measures(pd.concat(tables))
    y, said = np.concatenate(truth), np.concatenate(predicted)
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(y, said))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(y, said))
    assert np.isfinite(found["auc"]) == (classes == 2)


def test_the_auc_is_over_pairs_of_the_same_batch_and_ties_count_half() -> None:
    rng = np.random.default_rng(0)
    batch = batch_of(rng.choice(2, 50))
    second = rng.integers(0, 4, batch.y.shape) / 4  # many ties
    table = pd.DataFrame(counted(np.stack([1 - second, second], axis=-1), batch))
    each = [
        (roc_auc_score(t[e], p[e]), pairs)
        for t, p, e, pairs in zip(batch.truth, second, batch.exists, table.pairs, strict=True)
    ]
    expected = sum(auc * n for auc, n in each) / sum(n for _, n in each)
    assert rare_measures(table)["auc"] == pytest.approx(expected)


def test_what_has_no_row_or_one_class_is_undefined() -> None:
    one = batch_of(np.zeros(3, np.int64))
    found = rare_measures(pd.DataFrame(counted(np.tile([0.9, 0.1], (2, 3, 1)), one)))
    assert all(np.isnan(value) for value in found.values())
    assert all(
        np.isnan(value) for value in rare_measures(pd.DataFrame({"accuracy": [0.5]})).values()
    )


def test_counts_that_a_site_does_not_tell_leave_the_measures_open() -> None:
    """Of ten batches with an accuracy, one has its counts: it would stand for all."""
    run = pd.DataFrame({"accuracy": [0.9] * 10, "true_0": [5.0] + [np.nan] * 9})
    for kind in ("true_1", "predicted_0", "predicted_1", "right_0", "right_1"):
        run[kind] = run.true_0
    assert np.isnan(list(rare_measures(run).values())).all()

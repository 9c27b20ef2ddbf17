from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.federation.folds import fold_of, training_rows
from flame.models.response.inputs import Inputs


def inputs(responses: list[int]) -> Inputs:
    n = len(responses)
    empty, none = np.zeros((n, 0), np.float32), np.full(n, np.nan)
    names = tuple(f"p{i}" for i in range(n))
    response = np.array(responses, np.float32)
    return Inputs("c", names, empty, empty.astype(float), empty, response, none, none)


@settings(deadline=None)
@given(
    responses=st.lists(st.integers(0, 1), min_size=1, max_size=40),
    folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_folds_partition_and_stratify(responses: list[int], folds: int, seed: int) -> None:
    data = inputs(responses)
    fold = fold_of(data, seed, folds)
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    positives = np.bincount(fold[data.response > 0], minlength=folds)
    assert positives.max() - positives.min() <= 1
    for k in range(folds):
        held_out = np.setdiff1d(np.arange(len(responses)), training_rows(data, seed, folds, k))
        assert np.array_equal(held_out, np.flatnonzero(fold == k))


def test_folds_follow_the_patient_not_the_row() -> None:
    data = inputs([0, 1, 0, 1, 0, 1, 1])
    order = np.array([4, 2, 6, 0, 1, 3, 5])
    assert np.array_equal(fold_of(data.take(order), 0, 3), fold_of(data, 0, 3)[order])


def test_unlabelled_patients_are_never_trained_on() -> None:
    data = replace(inputs([0, 1, 0, 1]), response=np.array([0, np.nan, 0, 1], np.float32))
    assert training_rows(data, 0, 2, None).tolist() == [0, 2, 3]
    assert 1 not in np.concatenate([training_rows(data, 0, 2, k) for k in (0, 1)])


def test_nothing_held_out() -> None:
    assert len(training_rows(inputs([0, 1, 1]), 0, 2, None)) == 3


def test_seeds_give_different_folds() -> None:
    data = inputs([0, 1] * 15)
    assert any(
        not np.array_equal(fold_of(data, 0, 3), fold_of(data, seed, 3)) for seed in range(1, 4)
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(2, 4))
def test_rows_of_a_person_share_a_fold(owners: list[int], folds: int) -> None:
    data = replace(inputs([n % 2 for n in range(len(owners))]), persons=tuple(map(str, owners)))
    fold = fold_of(data, 0, folds)
    for owner in set(owners):
        assert len(set(fold[np.array(owners) == owner])) == 1
    # Persons are dealt out evenly.
    sizes = np.bincount([fold[owners.index(o)] for o in set(owners)], minlength=folds)
    assert sizes.max() - sizes.min() <= 1

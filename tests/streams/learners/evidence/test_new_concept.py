"""Evidence of a batch by hand, and of forks on batches that are new and that are not."""

import numpy as np
import pytest

from flame.streams.learners.evidence.new_concept import Fork, chunk_evidence, folds, new_concept
from flame.streams.learners.learner import Pace
from flame.streams.stream import Batch
from tests.helpers.evidence_bank import NETWORK, START, sine, taught


def batch(told: list[list[int]]) -> Batch:
    y = np.array(told, np.int64)
    return Batch(np.zeros((*y.shape, 2)), y, y, np.ones(y.shape, bool))


def test_evidence_of_a_batch_by_hand() -> None:
    told = np.array([[[0.9, 0.1], [0.0, 1.0]]])
    floor = 1 / 4
    expected = np.log(0.5 * 0.9 + floor) + np.log(0.5 * 0.0 + floor)
    assert chunk_evidence(told, batch([[0, 0]]))[0] == pytest.approx(expected)


def test_evidence_is_sound_with_more_classes_than_rows() -> None:
    y = np.zeros((2, 3), np.int64)
    there = np.array([[True] * 3, [False] * 3])
    few = Batch(np.zeros((2, 3, 2)), y, y, there)
    sure, unsure = (np.full((2, 3, 10), (1 - p) / 9) for p in (0.9, 0.1))
    sure[..., 0], unsure[..., 0] = 0.9, 0.1
    assert chunk_evidence(sure, few)[0] > chunk_evidence(unsure, few)[0]
    assert chunk_evidence(sure, few)[1] == 0


def test_a_batch_of_the_opposite_concept_is_new_and_one_of_the_same_is_not() -> None:
    found = sine()
    first = found.batches[0]
    known = taught(first)
    turned = Batch(first.x, 1 - first.y, 1 - first.y, first.exists)
    for each, is_new in ((found.batches[1], False), (turned, True)):
        same = np.ones(10, bool) if is_new else found.concept[1] == 0
        old = chunk_evidence(NETWORK.probability(known, each.x), each)
        new = new_concept(NETWORK, each, (Fork(known), Fork(START)), Pace())
        assert ((new.evidence > old)[same].mean() > 0.9) == is_new
        assert new.predicted.shape == (10, 100, 2)
        assert np.allclose(new.predicted.sum(axis=-1), 1)


def test_forks_are_weighed_alike_and_one_of_the_last_layer_keeps_its_representation() -> None:
    first = sine().batches[0]
    known = taught(first)
    turned = Batch(first.x, 1 - first.y, 1 - first.y, first.exists)
    body = NETWORK.body
    all_of_it, head = Fork(known), Fork(known, body)
    new = new_concept(NETWORK, turned, (all_of_it, head), Pace())
    kept = new.frozen == body
    assert 0 < kept.mean() < 1
    assert np.array_equal(new.models[kept, :body], known[kept, :body])
    assert (new.models[~kept, :body] != known[~kept, :body]).any()
    alone = [new_concept(NETWORK, turned, [fork], Pace()).evidence for fork in (all_of_it, head)]
    assert np.allclose(new.evidence, np.logaddexp(*alone) - np.log(2))  # the mean likelihood


def test_a_parent_that_was_chosen_among_others_is_one_of_so_many_hypotheses() -> None:
    first, many = sine().batches[0], np.arange(1, 11)
    alone = new_concept(NETWORK, first, [Fork(START)], Pace())
    among = new_concept(NETWORK, first, [Fork(START, 0, many)], Pace())
    assert np.allclose(alone.evidence - among.evidence, np.log(many))


def test_folds_are_rows_in_a_row_by_hand() -> None:
    there = np.ones((3, 10), bool)
    there[1, 5:], there[2, :] = False, False
    found = folds(there)
    assert found[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert found[1].tolist() == [0, 1, 2, 3, 4] + [4] * 5  # what pads is in none that counts
    assert found[2].tolist() == [0] * 10


def test_neighbours_that_share_an_outcome_do_not_tell_each_other() -> None:
    """Every row comes twice in a row with a label of a coin: there is nothing to learn."""
    rng = np.random.default_rng(6)
    y = np.repeat(rng.integers(0, 2, (10, 50)), 2, axis=1)
    x = np.repeat(rng.normal(size=(10, 50, 2)), 2, axis=1)
    each = Batch(x, y, y, np.ones(y.shape, bool))
    found = new_concept(NETWORK, each, [Fork(START)], Pace())
    assert found.evidence.mean() < 100 * np.log(0.5)


def test_no_fork_beats_a_coin_on_labels_of_a_coin() -> None:
    rng = np.random.default_rng(5)
    each = batch(rng.integers(0, 2, (10, 100)).tolist())
    each = Batch(rng.normal(size=(10, 100, 2)), each.y, each.y, each.exists)
    start = np.tile(NETWORK.start(rng), (10, 1))
    found = new_concept(NETWORK, each, (Fork(start), Fork(start)), Pace())
    assert found.evidence.mean() < 100 * np.log(0.5)

"""Exponential weights of experts, by hand."""

import numpy as np
import pytest

from flame.streams.learners.evidence.expert_weights import ExpertWeights
from flame.streams.stream import Batch


def test_shares_follow_what_each_told_right() -> None:
    y = np.zeros((2, 4), np.int64)
    there = np.array([[True] * 4, [True, True, False, False]])
    batch = Batch(np.zeros((2, 4, 1)), y, y, there)
    right, wrong = np.tile([0.8, 0.2], (2, 4, 1)), np.tile([0.4, 0.6], (2, 4, 1))
    leaning = ExpertWeights(2, 2)
    assert np.array_equal(leaning.mixed([right, wrong]), right)
    leaning.score(batch, [wrong, right])
    leaning.weigh()
    # odds 3 before; a rate of sqrt(8 log 2 / rows) a row that the other told better
    odds = [3 * np.exp(-np.sqrt(8 * np.log(2) / rows) * rows) for rows in (4, 2)]
    shares = [o / (1 + o) for o in odds]
    assert leaning.shares[:, 0] == pytest.approx(shares)
    assert leaning.mixed([right, wrong])[:, 0, 0] == pytest.approx([0.4 + 0.4 * s for s in shares])


def test_before_any_row_the_bank_is_three_to_one() -> None:
    for others in (1, 2):
        leaning = ExpertWeights(1, 1 + others)
        leaning.weigh()
        assert leaning.shares[0] == pytest.approx([0.75, *[0.25 / others] * others])


def test_three_experts_have_a_rate_of_their_number() -> None:
    """Weights 6, 1 and exp(sqrt(8 log 3 / 2) * 2): the third alone was right, on both rows."""
    y, there = np.zeros((1, 2), np.int64), np.ones((1, 2), bool)
    right, wrong = np.tile([0.8, 0.2], (1, 2, 1)), np.tile([0.4, 0.6], (1, 2, 1))
    leaning = ExpertWeights(1, 3)
    leaning.score(Batch(np.zeros((1, 2, 1)), y, y, there), [wrong, wrong, right])
    leaning.weigh()
    third = np.exp(np.sqrt(8 * np.log(3) / 2) * 2)
    assert leaning.shares[0] == pytest.approx(np.array([6, 1, third]) / (7 + third))

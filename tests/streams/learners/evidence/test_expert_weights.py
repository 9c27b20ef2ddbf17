"""Exponential weights of two experts, by hand."""

import numpy as np
import pytest

from flame.streams.learners.evidence.expert_weights import ExpertWeights
from flame.streams.stream import Batch


def test_shares_follow_what_each_told_right() -> None:
    y = np.zeros((2, 4), np.int64)
    there = np.array([[True] * 4, [True, True, False, False]])
    batch = Batch(np.zeros((2, 4, 1)), y, y, there)
    right, wrong = np.tile([0.8, 0.2], (2, 4, 1)), np.tile([0.4, 0.6], (2, 4, 1))
    leaning = ExpertWeights(2)
    assert np.array_equal(leaning.mixed(right, wrong), right)
    leaning.score(batch, wrong, right)
    leaning.weigh()
    # odds 3 before; a rate of sqrt(8 log 2 / rows) a row that the other told better
    odds = [3 * np.exp(-np.sqrt(8 * np.log(2) / rows) * rows) for rows in (4, 2)]
    shares = [o / (1 + o) for o in odds]
    assert leaning.shares[:, 0] == pytest.approx(shares)
    assert leaning.mixed(right, wrong)[:, 0, 0] == pytest.approx([0.4 + 0.4 * s for s in shares])


def test_before_any_row_the_bank_is_three_to_one() -> None:
    leaning = ExpertWeights(1)
    leaning.weigh()
    assert leaning.shares[0] == pytest.approx([0.75, 0.25])

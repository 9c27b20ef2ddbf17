"""Which entries are one, and what a batch counts for, by hand."""

import numpy as np

from flame.streams.learners.evidence.bank import roots
from tests.helpers.evidence_bank import OPENED, bank_of


def test_slots_that_are_one_end_up_in_the_first_that_was_opened() -> None:
    assert roots([(3, 2), (1, 3)], OPENED).tolist() == [0, 1, 1, 1]
    assert roots([(1, 0), (2, 3), (3, 1)], OPENED).tolist() == [0, 0, 0, 0]
    assert roots([], OPENED).tolist() == [0, 1, 2, 3]


def test_older_batches_fade_by_step_and_not_by_place_in_their_slot() -> None:
    bank = bank_of(1, 0, 1, 1, 1, 0)
    bank.memories = [bank.memories[step] for step in (1, 4, 5)]  # those between are forgotten
    rows = bank.rows(0, fade=0.5)
    assert np.allclose(rows[:, :100], 0.5**4)
    assert not rows[:, 100:200].any()
    assert np.allclose(rows[:, 200:], 1)
    assert np.allclose(bank.rows(), 1)

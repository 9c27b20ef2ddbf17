"""Which entries are one, and what a batch counts for, by hand."""

import numpy as np

from flame.streams.learners.evidence.bank import roots
from tests.helpers.evidence_bank import OPENED, bank_of


def test_slots_that_are_one_end_up_in_the_first_that_was_opened() -> None:
    assert roots([(3, 2), (1, 3)], OPENED).tolist() == [0, 1, 1, 1]
    assert roots([(1, 3), (2, 3), (3, 1)], OPENED).tolist() == [0, 1, 1, 1]
    assert roots([], OPENED).tolist() == [0, 1, 2, 3]


def test_of_entries_of_one_step_the_same_is_kept_wherever_their_names_are_known() -> None:
    """CRC-32 of 0.0, 0.1, 0.2 and 0.3 by a bitwise computation of its own."""
    hashes = [0xF6F40502, 0x81F33594, 0x18FA642E, 0x6FFD54B8]
    opened = [(0, 0), (0, 1), (0, 2), (0, 3)]
    for a in range(4):
        for b in range(4):
            kept = a if hashes[a] <= hashes[b] else b
            assert roots([(a, b)], opened)[[a, b]].tolist() == [kept, kept]


def test_older_batches_fade_by_step_and_not_by_place_in_their_slot() -> None:
    bank = bank_of(1, 0, 1, 1, 1, 0)
    bank.memories = [bank.memories[step] for step in (1, 4, 5)]  # those between are forgotten
    rows = bank.rows(0, fade=0.5)
    assert np.allclose(rows[:, :100], 0.5**4)
    assert not rows[:, 100:200].any()
    assert np.allclose(rows[:, 200:], 1)
    assert np.allclose(bank.rows(), 1)

"""Are two models of one concept? Tables against a loop, and pairs by hand."""

import numpy as np
import pytest

from flame.streams.learners.evidence.bank import FORGOTTEN
from flame.streams.learners.evidence.model_merging import agreed, evidence_tables, joined_pairs
from tests.helpers.evidence_bank import NETWORK, OPENED, bank_of, opened


def test_pairs_are_joined_while_evidence_of_any_is_positive() -> None:
    table = np.full((1, 4, 4), -5.0)
    table[0, 1, 0] = 3.0  # batches of 1 are told better with 0
    table[0, 2, 3] = 1.0
    counts = np.ones(4, int)
    assert joined_pairs(table, counts, OPENED) == [(0, 1), (2, 3)]
    table[0, 0, 2] = 4.0  # the batches of 0 and 1 together: 4 - 5 < 0, so that 0 and 2 go first
    assert joined_pairs(table, counts, OPENED)[0] == (0, 2)
    assert joined_pairs(table, np.array([1, 0, 1, 0]), OPENED) == [(0, 2)]


def test_of_what_was_joined_the_evidence_is_added() -> None:
    table = np.full((1, 3, 3), -9.0)
    table[0, 0, 1], table[0, 0, 2], table[0, 1, 2] = 3.0, 2.0, -5.0  # 0 and 1 with 2: 2 - 5 < 0
    assert joined_pairs(table, np.ones(3, int), OPENED[:3]) == [(0, 1)]


def test_a_liar_joins_nothing_where_it_is_reckoned_with() -> None:
    honest = np.random.default_rng(0).uniform(-30, -20, (7, 2, 2))
    lie = honest.copy()
    lie[3] = 1e6
    assert joined_pairs(lie, np.ones(2, int), OPENED[:2]) == [(0, 1)]
    assert joined_pairs(lie, np.ones(2, int), OPENED[:2], num_byzantine=1) == []
    alike = -honest
    alike[3] = -1e6  # and none is kept apart by one
    assert joined_pairs(alike, np.ones(2, int), OPENED[:2]) == []
    assert joined_pairs(alike, np.ones(2, int), OPENED[:2], num_byzantine=1) == [(0, 1)]


def test_a_join_is_agreed_on_where_more_than_the_liars_made_it() -> None:
    made = [np.array([0, 0, 2, 2]), np.array([0, 0, 0, 3]), np.array([0, 1, 2, 3])]
    assert agreed(made, 0) == [(0, 1), (0, 2), (1, 2), (2, 3)]
    assert agreed(made, 1) == [(0, 1)]
    assert agreed(made, 2) == []


def test_evidence_tables_against_a_loop() -> None:
    bank = opened(bank_of(0, 1), 0, 1)
    bank.memories[0].entry[4] = FORGOTTEN
    table, counts = evidence_tables(NETWORK, bank)
    memory, node = bank.memories[1], 6
    model = NETWORK.probability(bank.entries[0].models, memory.batch.x)[node]
    half, floor = (model + memory.predicted[node]) / 2, 1 / 102
    rows = np.arange(100), memory.batch.y[node]
    expected = np.log((1 - 2 * floor) * half[rows] + floor).sum()
    expected -= np.log((1 - 2 * floor) * memory.predicted[node][rows] + floor).sum()
    assert table[node, 1, 0] == pytest.approx(expected)
    assert not table[4, 0].any()
    assert counts[4].tolist() == [0, 1]


def test_a_model_says_nothing_of_batches_from_before_it_was_opened() -> None:
    bank = opened(bank_of(0, 0, 0, 1), 0, 2, 3)
    table, _ = evidence_tables(NETWORK, bank)
    bank.memories = bank.memories[2:]
    without, _ = evidence_tables(NETWORK, bank)
    assert np.array_equal(table[:, 0, 1], without[:, 0, 1])
    assert without[:, 0, 1].all()
    assert not table[:, 0, 2].any()
    assert table[:, 1, 0].all()  # an older model speaks of them all

"""FedDrift's server: averages and merges by hand, lost replies, and messages that do not fit."""

from typing import Any

import numpy as np
import pytest

from flame.streams.learners.drift_bank import MERGE, ROUND, DriftBank

A, B, OPENED = 0, 1, 5
"""Numbers of two models, and of one that node 2 of 3 opens."""


def bank(drop: float = 0.1) -> DriftBank:
    return DriftBank({A: np.array([0.0]), B: np.array([4.0])}, nodes=3, rounds=2, drop=drop)


def trained(*models: tuple[int, float, float]) -> dict[str, Any]:
    return {"models": [[number, np.array([value]), count] for number, value, count in models]}


def scores(right: list[list[float]], rows: tuple[float, float] = (10.0, 30.0)) -> dict[str, Any]:
    return {"numbers": [A, B], "rows": np.array(rows), "right": np.array(right)}


def held(part: DriftBank) -> dict[int, float]:
    return {number: model.item() for number, model in part.bank.items()}


def test_models_are_averaged_over_those_who_trained_them() -> None:
    """(1 * 2 + 3 * 6) / 4 = 5."""
    part = bank()
    got = {0: trained((A, 2.0, 1.0)), 1: trained((A, 6.0, 3.0)), 2: trained((OPENED, 7.0, 1.0))}
    reply = part.answer(ROUND, got)
    assert held(part) == {A: 5.0, B: 4.0, OPENED: 7.0}
    assert [number for number, _ in reply(1)["bank"]] == [A, B, OPENED]


def test_models_that_do_as_well_on_each_other_are_merged_by_their_rows() -> None:
    """(10 * 0 + 30 * 4) / 40 = 3; who still sends the former number trains the merged model."""
    part = bank()
    reply = part.answer(MERGE, {0: scores([[9.0, 9.0], [27.0, 27.0]])})
    assert held(part) == {A: 3.0}
    assert reply(0)["merged"] == [[B, A]]
    part.answer(ROUND, {1: trained((B, 8.0, 2.0))})
    assert held(part) == {A: 8.0}


def test_models_of_other_rows_stay_apart() -> None:
    """Model A is right on 9 of its 10 rows, and on 3 of the other 30: a fall of 0.8."""
    part = bank(drop=0.7)
    part.answer(MERGE, {0: scores([[9.0, 9.0], [3.0, 27.0]])})
    assert held(part) == {A: 0.0, B: 4.0}
    part.answer(MERGE, {0: scores([[9.0, 9.0], [3.0, 27.0]], rows=(10.0, 0.0))})
    assert held(part) == {A: 0.0, B: 4.0}  # impossible: 27 right of none


def test_without_merges_all_nodes_open_the_same_model() -> None:
    part = bank(drop=0)
    part.answer(MERGE, {0: scores([[9.0, 9.0], [27.0, 27.0]])})
    part.answer(ROUND, {1: trained((3, 2.0, 1.0)), 2: trained((3, 4.0, 1.0))})
    assert held(part) == {A: 0.0, B: 4.0, 3: 3.0}


@pytest.mark.parametrize(
    "wrong",
    [
        trained((OPENED, 1.0, 1.0)),  # node 2 opens it, not node 0
        trained((3, 1.0, 1.0), (6, 1.0, 1.0)),  # two in a step
        trained((A, np.nan, 1.0)),
        trained((A, 1.0, -1.0)),
        {"models": [[A, np.zeros(2), 1.0]]},
        {"models": 3},
        {},
        {"models": [["a", np.zeros(1), 1.0]]},
    ],
)
def test_messages_of_a_round_that_do_not_fit_count_as_lost(wrong: Any) -> None:
    part = bank()
    part.answer(ROUND, {0: wrong, 1: trained((A, 6.0, 3.0))})
    assert held(part) == {A: 6.0, B: 4.0}


@pytest.mark.parametrize(
    "wrong",
    [
        scores([[11.0, 9.0], [27.0, 27.0]]),  # 11 of 10
        scores([[-1.0, 9.0], [27.0, 27.0]]),
        scores([[np.nan, 9.0], [27.0, 27.0]]),
        {"numbers": [A, 7], "rows": np.ones(2), "right": np.ones((2, 2))},
        {"numbers": [A, A], "rows": np.ones(2), "right": np.ones((2, 2))},
        {"numbers": [A], "rows": np.ones(2), "right": np.ones((2, 2))},
        {},
    ],
)
def test_scores_that_do_not_fit_merge_nothing(wrong: Any) -> None:
    part = bank()
    part.answer(MERGE, {0: wrong})
    assert held(part) == {A: 0.0, B: 4.0}

"""Tables of cases, and Dice by hand."""

import numpy as np
import pytest

from flame.models.segmentation.case_table import Cases, dice, scored_dice

TABLE = Cases("a", ("p", "q", "r"), (("day 1", "day 2"), (), ("day 3",)), ("no images",))


def test_rows_are_taken_in_the_order_given() -> None:
    taken = TABLE.take(np.array([2, 0]))
    assert taken.pseudonyms == ("r", "p")
    assert taken.flat == ["day 3", "day 1", "day 2"]
    assert (taken.centre, taken.left_out) == ("a", ("no images",))


def test_only_patients_with_cases_are_labelled() -> None:
    assert TABLE.labelled.tolist() == [0, 2]
    assert TABLE.groups.tolist() == [0, 1, 0]
    assert TABLE.persons == ()  # each row is a person


def test_dice_of_masks() -> None:
    a, b = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    assert np.isnan(dice(a, b))
    a[:2] = True
    assert dice(a, b) == 0
    b[1:3] = True
    assert dice(a, b) == 0.5  # 16 of 32 voxels each: 2 x 16 / 64
    assert dice(a, a) == 1


def test_every_patient_counts_once_however_many_masks() -> None:
    scored = scored_dice([[0.9, 0.7, np.nan], [0.4], [np.nan]])
    assert scored.value == pytest.approx((0.8 + 0.4) / 2)
    # Means 0.8 and 0.4 have the sample variance 0.08; that of their mean is half of it.
    assert scored.variance == pytest.approx(0.04)
    assert (scored.n, scored.events, scored.weight) == (2, 3, 2)
    nothing = scored_dice([[np.nan]])
    assert np.isnan(nothing.value)
    assert nothing.weight == 0

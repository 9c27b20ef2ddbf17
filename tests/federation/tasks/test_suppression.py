"""What may be described, by hand."""

import numpy as np

from flame.federation.tasks.suppression import described

NAN = np.nan
KNOWN = np.array([1.0, 0, 1, 0, 1, 0, 1, 0, 1, 0])


def test_everything_without_a_limit() -> None:
    features = np.array([[1.0, NAN]] + [[0.0, 2.0]] * 9)
    found = described(features, KNOWN, KNOWN, least=1)
    assert len(found.rows) == 10
    assert found.moments.all()
    assert found.by_response.all()
    assert found.survival


def test_a_rare_value_hides_its_feature() -> None:
    """Two of ten have the value 1: mean times count would be 2."""
    features = np.column_stack([[1.0, 1] + [0] * 8, [1.0] * 5 + [0] * 5])
    unknown = np.full(10, NAN)
    found = described(features, unknown, unknown, least=3)
    assert found.moments.tolist() == [False, True]
    assert not found.by_response.any()


def test_few_with_a_status_hide_survival() -> None:
    status = np.array([0.0, 0] + [1] * 8)
    found = described(np.zeros((10, 0)), KNOWN, status, least=3)
    assert not found.survival


def test_gaps_of_more_than_a_fifth_hide_the_feature_instead() -> None:
    """Six patients lack a value, two for each feature: one pair of them may be left out."""
    features = np.arange(30.0).reshape(10, 3)
    for column in range(3):
        features[2 * column : 2 * column + 2, column] = NAN
    found = described(features, KNOWN, KNOWN, least=3)
    assert len(found.rows) == 8
    assert found.moments.sum() == 1


def test_a_set_that_differs_by_few_is_hidden() -> None:
    """Feature 1 is known of all but four; feature 2 of all but these and two others."""
    features = np.arange(40.0).reshape(20, 2)
    features[:5, 0] = NAN
    features[:7, 1] = NAN
    unknown = np.full(20, NAN)
    found = described(features, unknown, unknown, least=3)
    assert found.moments.tolist() == [True, False]

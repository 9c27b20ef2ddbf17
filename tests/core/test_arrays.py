"""Arithmetic of model arrays, by hand."""

import numpy as np

from flame.core.arrays import flat, mean, moved, shaped

WEIGHTS = [np.array([[1.0, 2.0]], np.float32), np.array([3.0])]


def test_a_mean_is_computed_in_float64_and_keeps_types() -> None:
    # In float32, 1 + 2^-25 is 1, and the mean of 2^25 such models would lose the small part.
    models = [[np.array([1.0], np.float32)], [np.array([2.0**-25], np.float32)]]
    (double,) = mean(models, [1.0, 1.0], [np.zeros(1)])
    assert double[0] == 1 + 2.0**-25
    (single,) = mean(models, [1.0, 1.0], [np.zeros(1, np.float32)])
    assert single.dtype == np.float32


def test_moved_adds_a_part_of_the_change() -> None:
    result = moved(WEIGHTS, [np.array([[10.0, -10.0]]), np.array([2.0])], 0.1)
    assert result[0].tolist() == [[2.0, 1.0]]
    assert result[0].dtype == np.float32
    assert result[1].tolist() == [3.2]


def test_shaped_is_the_inverse_of_flat() -> None:
    vector = flat(WEIGHTS)
    assert vector.tolist() == [1.0, 2.0, 3.0]
    again = shaped(vector, WEIGHTS)
    assert [a.shape for a in again] == [(1, 2), (1,)]
    assert all((a == b).all() for a, b in zip(again, WEIGHTS, strict=True))
    assert flat([]).shape == (0,)
    assert shaped(np.zeros(0), []) == []

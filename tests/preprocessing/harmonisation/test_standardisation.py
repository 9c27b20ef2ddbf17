"""Merged summaries against the same statistics of pooled data (numpy)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flame.preprocessing.harmonisation.standardisation import merge, standardise, summarise

values = arrays(float, st.tuples(st.integers(1, 8), st.just(3)), elements=st.floats(-1e3, 1e3))


@settings(deadline=None)
@given(parts=st.lists(values, min_size=1, max_size=4), drop=st.integers(0, 100))
def test_merged_equals_pooled(parts: list[np.ndarray], drop: int) -> None:
    parts = [p.copy() for p in parts]
    parts[0][drop % len(parts[0]), drop % 3] = np.nan
    pooled = np.concatenate(parts)
    found = merge([summarise(p) for p in parts])
    for column in range(3):
        known = pooled[:, column][np.isfinite(pooled[:, column])]
        assert found.count[column] == len(known)
        if len(known):
            assert found.mean[column] == pytest.approx(known.mean(), abs=1e-8)
            assert found.sum_sq_dev[column] == pytest.approx(known.var() * len(known), abs=1e-5)


def test_missing_and_constant_become_zero() -> None:
    data = np.array([[1.0, 5.0], [3.0, 5.0]])
    scaled = standardise(np.array([[np.nan, 5.0], [3.0, 9.0]]), summarise(data))
    assert scaled.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_constant_of_several_centres_stays_constant() -> None:
    # 0.3 is not exact in binary: the merged spread is rounding, not variation.
    parts = [summarise(np.full((n, 1), 0.3)) for n in (7, 11)]
    assert standardise(np.array([[1.0]]), merge(parts)).tolist() == [[0.0]]

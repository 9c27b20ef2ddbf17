"""Federated averaging against hand computation, and its invariants over any input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame.core.scores import Update
from flame.federation import fedavg  # noqa: F401  (registers itself)
from flame.federation.strategy import STRATEGIES, State


def update(name: str, value: float, patients: int) -> Update:
    return Update(name, [np.full((2, 2), value, np.float32)], patients, 0.0, 0.0)


def test_weighted_mean_by_hand() -> None:
    state = State([np.zeros((2, 2), np.float32)])
    after = STRATEGIES["fedavg"].aggregate(state, [update("a", 1.0, 30), update("b", 4.0, 10)])
    assert after.weights[0].tolist() == [[1.75, 1.75], [1.75, 1.75]]  # (30 + 40) / 40


@pytest.mark.parametrize("name", list(STRATEGIES))
class TestEveryStrategy:
    @given(values=st.lists(st.tuples(st.floats(-5, 5), st.integers(1, 99)), min_size=1, max_size=5))
    def test_keeps_shapes_types_and_arguments(
        self, name: str, values: list[tuple[float, int]]
    ) -> None:
        state = State([np.zeros((2, 2), np.float32)])
        updates = [update(str(i), v, n) for i, (v, n) in enumerate(values)]
        copies = [u.weights[0].copy() for u in updates]
        once = STRATEGIES[name].aggregate(state, updates)
        again = STRATEGIES[name].aggregate(state, updates)
        assert once.weights[0].dtype == np.float32
        assert once.weights[0].shape == (2, 2)
        assert np.array_equal(once.weights[0], again.weights[0])
        assert not state.weights[0].any()
        assert all(np.array_equal(u.weights[0], c) for u, c in zip(updates, copies, strict=True))

    @given(value=st.floats(-5, 5, width=32), sites=st.integers(1, 6))
    def test_agreement_is_kept(self, name: str, value: float, sites: int) -> None:
        state = State([np.full((2, 2), value, np.float32)])
        updates = [update(str(i), value, i + 1) for i in range(sites)]
        found = STRATEGIES[name].aggregate(state, updates).weights[0]
        assert np.allclose(found, value, rtol=1e-6)

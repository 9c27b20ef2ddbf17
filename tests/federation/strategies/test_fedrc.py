"""Soft clusters of sites: their shares by hand, and two groups of opposite outcomes apart."""

import numpy as np
import pytest
from numpy.typing import NDArray

from flame.core.scores import Update, Weights
from flame.federation.strategies.fedrc import FedRC
from flame.federation.strategies.strategy import State


def update(name: str, models: tuple[Weights, ...], losses: tuple[float, ...]) -> Update:
    return Update(name, models[-1], 10, losses[-1], 0.0, also=models[:-1], losses=losses)


def shares_of(state: State, site: str) -> NDArray[np.float64]:
    return np.asarray(state.memory[f"shares.{site}"][0])


def test_shares_are_the_formula_twice() -> None:
    clustered = FedRC(clusters=2, sharpness=1.0)
    models = ([np.ones(1)], [np.ones(1)])
    state = clustered.begin(State([np.zeros(1)]), ("a",))
    for number in (1, 2):  # each round multiplies the odds by exp(loss of 1 - loss of 0) = 3
        state = clustered.aggregate(state, [update("a", models, (0.0, float(np.log(3))))])
        odds = 3.0**number
        assert shares_of(state, "a") == pytest.approx([odds / (odds + 1), 1 / (odds + 1)])


def test_a_site_that_is_sure_can_change_its_mind() -> None:
    clustered = FedRC(clusters=2, sharpness=1000.0)
    models = ([np.ones(1)], [np.ones(1)])
    state = clustered.begin(State([np.zeros(1)]), ("a",))
    state = clustered.aggregate(state, [update("a", models, (0.0, 9.0))])
    state = clustered.aggregate(state, [update("a", models, (9.0, 0.0))])
    assert shares_of(state, "a").argmax() == 1


def descended(
    weights: Weights, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[Weights, float]:
    """Ten steps of logistic regression, and the loss of the last one."""
    (w,) = weights
    loss = 0.0
    for _ in range(10):
        p = 1 / (1 + np.exp(-x @ w))
        loss = float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
        w = w - 0.5 * x.T @ (p - y) / len(y)
    return [w], loss


def test_hospitals_of_opposite_outcomes_end_in_different_clusters() -> None:
    rng = np.random.default_rng(3)
    signs = {"a": 1, "b": 1, "c": -1, "d": -1}
    data = {}
    for site, sign in signs.items():
        x = rng.normal(size=(60, 3))
        data[site] = (x, (sign * x[:, 0] > 0).astype(float))
    clustered = FedRC(clusters=2)
    state = clustered.begin(State([rng.normal(size=3) * 0.1]), tuple(signs))
    for _ in range(15):
        updates = []
        for site, (x, y) in data.items():
            each = [descended(c.start, x, y) for c in clustered.corrections(state, site)]
            updates.append(update(site, tuple(w for w, _ in each), tuple(loss for _, loss in each)))
        state = clustered.aggregate(state, updates)
    for site, (x, y) in data.items():
        own = clustered.weights_for(state, site)[0]
        assert np.mean((x @ own > 0) == y) > 0.9
    chosen = [int(shares_of(state, site).argmax()) for site in "abcd"]
    assert chosen[0] == chosen[1] != chosen[2] == chosen[3]

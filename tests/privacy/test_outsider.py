"""Someone with the released weights learns no more of a patient than the told epsilon allows.

An audit: the mechanism runs many times on two neighbouring data sets, and the best test between
them gives a lower bound of epsilon (Jagielski 2020, arXiv:2006.07709), by exact binomial intervals
(Clopper and Pearson 1934). The bound must lie below the epsilon that FLAME tells.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from flame.core.keras_import import keras
from flame.federation.folds import fold_of, training_rows
from flame.federation.privacy.budget import Spent, epsilon
from flame.models.response.dp_sgd import PrivateSteps
from flame.models.response.gaussian_mechanism import clipped, noised
from flame.models.response.inputs import Inputs

DELTA = 0.01


def lower_bound(one: np.ndarray, other: np.ndarray) -> float:
    """Largest log((TPR - delta) / FPR) at 95 %, with the threshold chosen on the first half."""
    half = len(one) // 2
    thresholds = np.quantile(
        np.concatenate([one[:half], other[:half]]), np.linspace(0.02, 0.98, 49)
    )
    best = max(thresholds, key=lambda t: _log_ratio(one[:half] > t, other[:half] > t))
    return _log_ratio(one[half:] > best, other[half:] > best)


def _log_ratio(hits: np.ndarray, false: np.ndarray) -> float:
    n, k, f = len(hits), int(hits.sum()), int(false.sum())
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = beta.ppf(0.975, f + 1, n - f) if f < n else 1.0
    return float(np.log(max(low - DELTA, 1e-12) / high))


def released(gradient: float, runs: int, noise: float) -> np.ndarray:
    """Sums over four patients, of whom one has this gradient, with the noise of clip 1."""
    rng = np.random.default_rng(7 if gradient > 0 else 8)
    rest = np.array([0.2, -0.4, 0.1])
    sums = []
    for _ in range(runs):
        (own,) = clipped([np.array([gradient])], 1.0)
        sums.append(noised([own + rest.sum()], noise, rng)[0][0])
    return np.array(sums)


def test_replacing_a_patient_shows_no_more_than_told() -> None:
    """The old relation, relative to the clip, told less than the attack shows."""
    found = lower_bound(released(50.0, 20_000, 1.0), released(-50.0, 20_000, 1.0))
    told = epsilon([Spent(noise=0.5, steps=1)], DELTA)
    told_before = epsilon([Spent(noise=1.0, steps=1)], DELTA)
    assert told_before < found <= told


@pytest.mark.slow
def test_a_trained_network_shows_no_more_than_told() -> None:
    """Three steps of DP-SGD on four patients; the canary's gradient is as large as it can be."""
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    steps = PrivateSteps(network)
    x = np.array([[1.0], [0.5], [-1.0], [1.0]])

    def trained(outcome: float, seed: int) -> float:
        y = np.array([[0.3], [0.1], [-0.2], [outcome]])

        def batch(rows: Any) -> tuple[list[Any], Any]:
            return [x[rows]], y[rows]

        network.set_weights([np.zeros((1, 1), np.float32)])
        rng = np.random.default_rng(seed)
        (weights,) = steps.fit(batch, 4, 4, epochs=3, clip=1.0, noise=3.0, rng=rng).weights
        return float(weights[0, 0])

    one, other = (np.array([trained(y, s) for s in range(1500)]) for y in (1e3, -1e3))
    found = lower_bound(one, other)
    told = epsilon([Spent(noise=1.5, steps=3, size=4, patients=4)], DELTA)
    assert 0.2 * told < found <= told  # the audit would notice noise that is much too small


def test_one_patient_moves_no_other_between_folds() -> None:
    """Folds dealt in turn over a sorted list moved nearly all of them."""
    column = np.zeros((200, 0), np.float32)
    response = (np.arange(200) % 2).astype(np.float32)
    names = tuple(f"p{n}" for n in range(200))
    ones = np.ones(200)
    dealt = Inputs("a", names, column, column, column, response, ones, ones)
    for independent, moved in ((False, True), (True, False)):
        patients = replace(dealt, independent=independent)
        fewer = patients.take(np.arange(1, 200))
        other = fold_of(patients, 0, 5)[1:] != fold_of(fewer, 0, 5)
        assert (other.sum() > 50) == moved
        if not moved:
            assert not other.any()
            assert len(training_rows(patients, 0, 5, 1)) < 200


def test_a_gradient_that_is_not_finite_does_not_show_through_the_noise() -> None:
    """As found: the answer was NaN if one patient lay beyond a threshold, whatever the noise."""
    for endless in (np.inf, -np.inf, np.nan, 1e200):
        (found,) = clipped([np.array([endless, 1.0])], 1.0)
        assert np.linalg.norm(found) <= 1.0

"""Logistic regression from sums: by hand, and against scikit-learn on pooled patients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from flame.models.regression.logistic import likelihood
from flame.models.regression.newton import Likelihood, Penalty, maximise


def test_two_patients_by_hand() -> None:
    # At beta = 0 everyone has 1/2: value 2 log 1/2, gradient sum x (y - 1/2), information x x' / 4.
    x, outcome = np.array([[1.0, 2], [1, -1]]), np.array([1.0, 0])
    found = likelihood(x, outcome, np.zeros(2))
    assert found.value == pytest.approx(2 * np.log(0.5))
    assert found.gradient == pytest.approx([0, 1.5])
    assert found.information == pytest.approx(np.array([[0.5, 0.25], [0.25, 1.25]]))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.001, 0.1, 1.0]))
def test_centres_together_find_what_scikit_learn_finds(seed: int, penalizer: float) -> None:
    rng = np.random.default_rng(seed)
    x, centre = rng.normal(size=(60, 3)), rng.permutation(np.repeat([0, 1, 2], [35, 20, 5]))
    outcome = (rng.random(60) < 1 / (1 + np.exp(-x @ [1.0, -0.5, 0]))).astype(float)
    outcome[:2] = 0, 1
    design = np.column_stack([np.ones(60), x])

    def together(beta: np.ndarray) -> Likelihood:
        each = [likelihood(design[centre == c], outcome[centre == c], beta) for c in range(3)]
        return each[0] + each[1] + each[2]

    penalty = Penalty(penalizer * 60 * np.array([0.0, 1, 1, 1]), np.zeros(4))
    (beta,), _ = maximise(lambda at: [together(b) for b in at.values()], [penalty])
    model = LogisticRegression(C=1 / (penalizer * 60), tol=1e-12, max_iter=10000)
    model.fit(x, outcome)
    assert beta == pytest.approx([*model.intercept_, *model.coef_[0]], abs=1e-6)

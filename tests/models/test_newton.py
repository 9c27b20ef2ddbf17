"""Newton's method: a quadratic in one step, an overshoot that is halved, no finite maximum."""

import numpy as np
import pytest

from flame.core.errors import FlameError
from flame.models.newton import Likelihood, maximise


def test_the_maximum_of_a_quadratic_by_hand() -> None:
    # -(b - 3)^2 - b^2 / 2 * 4 is highest at b = 6 / (2 + 4).
    def quadratic(beta: np.ndarray) -> Likelihood:
        return Likelihood(-float((beta[0] - 3) ** 2), -2 * (beta - 3), np.array([[2.0]]))

    beta, asked = maximise(quadratic, np.array([4.0]))
    assert beta == pytest.approx([1.0])
    assert asked == 2


def test_a_step_that_overshoots_is_halved() -> None:
    # Newton from 0 on -log cosh(b - 2) goes to 2 + (sinh 4)/2 + ... and away for ever.
    def flat_far_away(beta: np.ndarray) -> Likelihood:
        away = beta[0] - 2
        return Likelihood(
            -float(np.log(np.cosh(away))),
            np.array([-np.tanh(away)]),
            np.array([[1 / np.cosh(away) ** 2]]),
        )

    beta, _ = maximise(flat_far_away, np.zeros(1))
    assert beta == pytest.approx([2.0])


def test_without_a_finite_maximum_it_says_so() -> None:
    def rising(beta: np.ndarray) -> Likelihood:
        return Likelihood(float(beta[0]), np.ones(1), np.zeros((1, 1)))

    with pytest.raises(FlameError, match="a larger penalty"):
        maximise(rising, np.zeros(1))

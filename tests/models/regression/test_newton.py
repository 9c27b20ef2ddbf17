"""Newton's method: a quadratic in one step, an overshoot that is halved, no finite maximum."""

import numpy as np
import pytest

from flame.core.errors import FlameError
from flame.models.regression.newton import Likelihood, Penalty, maximise


def quadratic(beta: np.ndarray) -> Likelihood:
    return Likelihood(-float((beta[0] - 3) ** 2), -2 * (beta - 3), np.array([[2.0]]))


def test_the_maxima_of_quadratics_by_hand() -> None:
    # -(b - 3)^2 - 4 / 2 (b - a)^2 is highest at b = (6 + 4 a) / (2 + 4); without a penalty at 3.
    penalties = [
        Penalty(np.array([weight]), np.array([prior])) for weight, prior in ((4, 0), (4, 3), (0, 9))
    ]
    best, asked = maximise(lambda at: [quadratic(b) for b in at.values()], penalties)
    assert np.concatenate(best) == pytest.approx([1, 3, 3])
    assert asked == 2


def test_who_is_done_is_asked_no_more() -> None:
    asked = []

    def note(at: dict[int, np.ndarray]) -> list[Likelihood]:
        asked.append(list(at))
        return [quadratic(b) for b in at.values()]

    maximise(note, [Penalty(np.zeros(1), np.full(1, prior)) for prior in (0.0, 3.0)])
    assert asked == [[0, 1], [0]]


def test_a_step_that_overshoots_is_halved() -> None:
    # Newton from 0 on -log cosh(b - 2) goes to 2 + (sinh 4)/2 + ... and away for ever.
    def flat_far_away(at: dict[int, np.ndarray]) -> list[Likelihood]:
        away = at[0][0] - 2
        value = -float(np.log(np.cosh(away)))
        return [Likelihood(value, np.array([-np.tanh(away)]), np.array([[1 / np.cosh(away) ** 2]]))]

    (beta,), _ = maximise(flat_far_away, [Penalty(np.zeros(1), np.zeros(1))])
    assert beta == pytest.approx([2.0])


def test_without_a_finite_maximum_it_says_so() -> None:
    def rising(at: dict[int, np.ndarray]) -> list[Likelihood]:
        return [Likelihood(float(at[0][0]), np.ones(1), np.zeros((1, 1)))]

    with pytest.raises(FlameError, match="a larger penalty"):
        maximise(rising, [Penalty(np.zeros(1), np.zeros(1))])


def test_one_problem_without_a_maximum_does_not_end_the_others() -> None:
    def second_rises(at: dict[int, np.ndarray]) -> list[Likelihood]:
        rising = Likelihood(1.0, np.ones(1), np.zeros((1, 1)))
        return [quadratic(b) if i == 0 else rising for i, b in at.items()]

    free = Penalty(np.zeros(1), np.zeros(1))
    best, _ = maximise(second_rises, [free, free], all_finite=False)
    assert best[0] == pytest.approx([3.0])
    assert best[1] is None


def test_a_likelihood_of_almost_nothing_is_no_trouble() -> None:
    # Near a maximum at 0 rounding alone makes some steps look worse.
    def tiny(at: dict[int, np.ndarray]) -> list[Likelihood]:
        b = at[0][0]
        return [
            Likelihood(
                -1e-7 * (b - 1) ** 2 - 4e-12 * (b != 0), -2e-7 * (at[0] - 1), np.array([[2e-7]])
            )
        ]

    (beta,), _ = maximise(tiny, [Penalty(np.zeros(1), np.zeros(1))])
    assert beta == pytest.approx([1.0])

"""Which received models are averaged: losses and distances by hand."""

import numpy as np
import pytest

from flame.federation.gossip.method import Round
from flame.streams.learners.evidence.trusted_models import checked, trusting
from flame.streams.networks.base import Array
from flame.streams.networks.mlp import MLP
from flame.streams.transport import Shared

NETWORK = MLP(1, 1)
EVERYONE = np.ones(4, bool)
NOW = Round(np.full((4, 4), 0.25), np.ones((4, 4), bool), EVERYONE, np.random.default_rng(0))
X = np.tile(np.array([[-1.0], [1.0], [1.0], [1.0]]), (4, 1, 1))
Y = np.tile(np.array([0, 1, 1, 1]), (4, 1))
CHANCE = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
"""Loss of the frequencies 1/4 and 3/4, in nats: 0.562."""


def predicting(logit: float) -> Array:
    """A model with the same logit of label 1 for every row: weights and biases are 0 but the last.

    Its loss is 1/4 log(1 + e^logit) + 3/4 log(1 + e^-logit), and lowest at log 3.
    """
    model = np.zeros(NETWORK.size)
    model[-1] = logit
    assert NETWORK.logits(model[None], X[:1]).ravel() == pytest.approx([logit] * 4)
    return model


def arrived(models: list[Array], weight: Array, num_byzantine: int = 1) -> list[list[bool]]:
    sent = Shared(np.stack(models), np.ones(4), EVERYONE)
    found = trusting(NETWORK, NOW, np.arange(4), sent, (X, Y, weight), num_byzantine)
    return found.arrived.tolist()  # type: ignore[no-any-return]


def test_what_predicts_worse_than_frequencies_and_than_oneself_is_left_out() -> None:
    """log 3 equals the frequencies; 3, -1 and -2 are worse."""
    models = [predicting(v) for v in (np.log(3), 3.0, -1.0, -2.0)]
    rows = arrived(models, np.ones((4, 4)))
    assert rows[0] == [True, False, False, False]
    assert rows[1] == [True, True, False, False]  # -1 (1.06) is worse than its own 3 (0.80)
    assert rows[2] == [True, True, True, False]  # who is worse than both takes either
    loss = 0.25 * np.log1p(np.exp(3)) + 0.75 * np.log1p(np.exp(-3))
    assert CHANCE < loss < 0.25 * np.log1p(np.exp(-1)) + 0.75 * np.log1p(np.exp(1))


def test_who_has_no_rows_leaves_out_the_farthest_ones() -> None:
    models = [predicting(v) for v in (0.0, 1.0, 9.0, -2.0)]
    weight = np.ones((4, 4))
    weight[0] = 0
    assert arrived(models, weight)[0] == [True, True, False, True]
    assert arrived(models, weight, num_byzantine=2)[0] == [True, True, False, False]


@pytest.mark.parametrize(
    ("logits", "counts", "weights"),
    [
        # The first model is 1, 2 and 4 away from the others: 4 is clipped to 2, by half.
        ((-1, 0, 1, 3), (1, 1, 1, 1), (0.375, 0.25, 0.25, 0.125)),
        # -9 predicts worse than -1 does: it is left out as a whole, and the other two stay.
        ((-1, 0, 1, -9), (1, 1, 1, 1), (0.25, 0.25, 0.25, 0.25)),
        # Who claims no rows has no weight that could be clipped.
        ((-1, 0, 1, 3), (1, 1, 1, 0), (0.25, 0.25, 0.25, 0.125)),
    ],
)
def test_who_is_farther_than_all_but_the_byzantine_ones_is_clipped(
    logits: tuple[float, ...], counts: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    models = np.stack([predicting(v) for v in logits])
    sent = Shared(models, np.array(counts, float), EVERYONE)
    found = trusting(NETWORK, NOW, np.arange(4), sent, (X, Y, np.ones((4, 4))), num_byzantine=1)
    assert found.weights[0] == pytest.approx(weights, abs=1e-6)
    # the formula of clipped gossip, weighted by counts, over what is left
    steps = np.clip(np.array(logits) + 1, -2, 2) * counts * (np.array(logits) > -9)
    shares = 1 / sum(c for c, v in zip(counts, logits, strict=True) if v > -9)
    mixed = (found.by(sent.counts) @ models)[0, -1]
    assert mixed == pytest.approx(-1 + shares * steps.sum(), abs=1e-5)


def test_claims_of_many_batches_count_as_one_and_what_is_not_finite_as_not_sent() -> None:
    models = np.array([[0.0], [np.nan], [1.0]])
    sent = checked(Shared(models, np.array([0.0, 3.0, 1e9]), np.ones(3, bool)))
    assert sent.counts.tolist() == [0, 1, 1]
    assert sent.held.tolist() == [True, False, True]
    assert sent.models.tolist() == [[0.0], [0.0], [1.0]]

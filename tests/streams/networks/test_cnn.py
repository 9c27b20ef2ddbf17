"""The convolutional network against numerical derivatives, and on a stream of digits."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.streams.config import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.base import log_loss
from flame.streams.networks.cnn import ImageNetwork
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream


def test_gradient_is_the_numerical_derivative() -> None:
    net, rng = ImageNetwork(16, 4, 3), np.random.default_rng(0)
    parameters = np.stack([net.start(rng) for _ in range(2)])
    x, y = rng.normal(size=(2, 6, 16)), rng.integers(0, 3, (2, 6))
    found = net.loss_gradient(parameters, x, y, np.ones((2, 6)))
    way = rng.normal(size=net.size)
    way /= np.linalg.norm(way)

    def loss(p: np.ndarray) -> np.ndarray:
        return log_loss(net.logits(p, x), y).mean(axis=1)

    slope = (loss(parameters + 0.01 * way) - loss(parameters - 0.01 * way)) / 0.02
    assert np.allclose(found @ way, slope, rtol=0.03, atol=2e-3)


def test_the_head_is_what_follows_the_representation() -> None:
    net = ImageNetwork(16, 4, 3)
    parameters = net.start(np.random.default_rng(0))[None]
    assert net.head == (8 + 1) * 2
    parameters[:, -net.head :] = 0
    assert not net.logits(parameters, np.ones((1, 2, 16))).any()


def test_images_are_learned_through_the_same_learners() -> None:
    plan = plan_of(ScheduleConfig(nodes=2, steps=2), None, 0)
    stream = synthetic_stream(SyntheticConfig("digits-turned", samples=150), plan, 0)
    for name in ("gossip", "gossip-der++"):
        learner = begin(
            KNOWN[name],
            stream,
            ImageNetwork(64, 8, 10),
            GossipConfig(topology="full"),
            Pace(rounds=25, local_steps=3),
            0,
        )
        learner.learn(stream.batches[0], stream.concept[0])
        right = learner.predict(stream.batches[1].x).argmax(axis=-1) == stream.batches[1].y
        assert right.mean() > 0.4  # a tenth by chance


def test_rows_that_are_no_square_are_refused() -> None:
    with pytest.raises(BadInput, match="not a square image"):
        ImageNetwork(15, 4, 2)

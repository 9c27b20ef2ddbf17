"""The rule of each known method against its paper's formula, worked out on its own."""

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from flame.core.scores import Correction
from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam, Array, log_loss, with_first
from flame.streams.stream import Batch
from tests.streams.learners.test_every_learner import opened, stream

RNG = np.random.default_rng(3)


def logits(learner: Any, models: Array, x: Array) -> Array:
    return with_first(learner.network.logits(models, x))


def mean_loss(learner: Any, models: Array, x: Array, y: Array) -> Array:
    return log_loss(learner.network.logits(models, x), y).mean(axis=1)


def ewc(learner: Any, models: Array, batch: Batch) -> Array:
    """Kirkpatrick 2017, equation 3."""
    held = learner.fisher * (models - learner.anchor) ** 2
    return mean_loss(learner, models, batch.x, batch.y) + learner.strength / 2 * held.sum(axis=1)


def lwf(learner: Any, models: Array, batch: Batch) -> Array:
    """Li 2016, equation 2: cross-entropy of softened probabilities."""
    then = softmax(logits(learner, learner.models, batch.x) / learner.temperature, axis=-1)
    now = log_softmax(logits(learner, models, batch.x) / learner.temperature, axis=-1)
    kept = -(then * now).sum(axis=-1).mean(axis=1)
    return mean_loss(learner, models, batch.x, batch.y) + learner.strength * kept


def derpp(learner: Any, models: Array, batch: Batch) -> Array:
    """Buzzega 2020, equation 6."""
    x, y, _ = learner.old.rows
    off = (learner.network.logits(models, x) - learner.old.logits) ** 2
    old = learner.alpha * off.mean(axis=(1, 2)) + learner.beta * mean_loss(learner, models, x, y)
    return mean_loss(learner, models, batch.x, batch.y) + old


@pytest.mark.parametrize(
    ("name", "options", "loss"),
    [
        ("ewc", {"strength": 7.0}, ewc),
        ("lwf", {"strength": 3.0, "temperature": 4.0}, lwf),
        ("der++", {"alpha": 0.3, "beta": 2.0, "size": 25}, derpp),
    ],
)
def test_a_step_goes_down_the_loss_of_the_paper(
    name: str, options: dict[str, float], loss: Any
) -> None:
    found = stream("digits-swapped")
    learner: Any = opened(name, "alone", found, **options)
    learner.learn(found.batches[0], found.concept[0])
    batch, way = found.batches[1], RNG.normal(size=learner.models.shape)
    models = learner.models + 0.1 * RNG.normal(size=way.shape)
    slope = (learner.gradient(models, learner.rows(batch)) * way).sum(axis=1)
    step = 1e-5 * way
    up, down = (loss(learner, models + sign * step, batch) for sign in (1, -1))
    assert slope == pytest.approx((up - down) / 2e-5, rel=1e-4)


def test_fedprox_pulls_to_what_a_round_began_with() -> None:
    """Li 2020: mu (w - w_t) is added to the gradient."""
    found = stream()
    learner: Any = opened("fine-tune", "alone", found)
    batch = found.batches[0]
    rows = (batch.x, batch.y, batch.weight)
    slope = learner.slope(rows, [Correction(proximal=0.7)] * 4)
    away = RNG.normal(size=learner.models.shape)
    plain = learner.network.loss_gradient(learner.models + away, *rows)
    assert np.allclose(slope(learner.models + away), plain + 0.7 * away)


@pytest.mark.parametrize(("least", "steps"), [(1e9, 1), (0.0, 4)])
def test_a_round_of_flash_ends_once_the_loss_falls_too_little(least: float, steps: int) -> None:
    """Panchal 2023, algorithm 2; who stopped leaves Adam's moments as they were."""
    found = stream()
    pace = Pace(rounds=1, local_steps=4, rate=0.001)
    learner: Any = opened("early-stop", "alone", found, pace=pace, least=least)
    batch = found.batches[0]
    rows = (batch.x, batch.y, batch.weight)
    adam, plain = (Adam(learner.models.shape, 0.001) for _ in range(2))
    expected = learner.models
    for _ in range(steps):
        expected = plain.step(expected, learner.network.loss_gradient(expected, *rows))
    assert np.allclose(learner.train(rows, adam), expected, rtol=0, atol=1e-12)
    assert np.allclose(adam.mean, plain.mean, rtol=0, atol=1e-12)


def test_adaptive_fedavg_follows_its_moving_means() -> None:
    """Canonaco 2021, algorithm 1; all weights of a model are equal."""
    found = stream()
    learner: Any = opened("adaptive-fedavg", "alone", found, mean=0.3, variance=0.6, ratio=0.8)
    mean = spread = ratio = 0.0
    told, before = 0.0, 1.0
    for t, value in enumerate((0.5, 2.0, -1.0, -1.5, 4.0), start=1):
        learner.models = np.full(learner.start.shape, value)
        found_ratio = learner.update_ratio()
        change = (value - told) ** 2
        mean = 0.3 * mean + 0.7 * value
        spread = 0.6 * spread + 0.4 * change
        now, told = spread / (1 - 0.6**t), mean / (1 - 0.3**t)
        ratio = 0.8 * ratio + 0.2 * (now / before if t > 1 else 1.0)
        before = now
        assert found_ratio == pytest.approx(ratio / (1 - 0.8**t))


def test_decay_counts_a_row_half_as_much_a_step_later() -> None:
    found = stream(samples=5)
    learner: Any = opened("decay", "alone", found, kept=0.5)
    for batch in found.batches[:3]:
        _, _, weight = learner.rows(batch)
    assert weight[0].tolist() == [0.25] * 5 + [0.5] * 5 + [1.0] * 5


def test_ifca_takes_the_cluster_of_the_lowest_loss() -> None:
    """Ghosh 2020, algorithm 1, line 6."""
    found = stream()
    learner: Any = opened("ifca", "server", found)
    learner.learn(found.batches[0], found.concept[0])
    batch = found.batches[3]
    chosen = learner.choose(batch)
    losses = [mean_loss(learner, models, batch.x, batch.y) for models in learner.bank]
    assert np.array_equal(chosen, np.argmin(losses, axis=0))
    assert np.ptp(losses, axis=0).min() > 0.01


@pytest.mark.parametrize(("drop", "models"), [(0.1, 2), (0.6, 1)])
def test_feddrift_compares_a_model_on_its_own_rows_with_itself_on_others(
    drop: float, models: int
) -> None:
    """Distance A of the authors' code; of two equal models, as one had half its labels turned."""
    found = stream(samples=200)
    learner: Any = opened("feddrift", "server", found, drop=drop)
    batch = found.batches[0]
    told = learner.network.probability(learner.start, batch.x).argmax(axis=-1)
    y = told.copy()
    y[1, ::2] = 1 - y[1, ::2]
    bank = {0: learner.start[0], 1: learner.start[0]}
    learner.server.part.bank, learner.banks = bank, [bank] * 4
    learner.batches = [(batch.x, y, batch.weight)]
    learner.labels = [np.array([0, 1, 0, 0])]
    learner._merge()
    assert [len(held) for held in learner.banks] == [models] * 4
    assert learner.labels[0].tolist() == ([0, 1, 0, 0] if models == 2 else [0] * 4)


def test_feddrift_begins_with_a_model_each_where_told_so() -> None:
    found = stream()
    learner: Any = opened("feddrift", "server", found, apart=True)
    learner.learn(found.batches[0], found.concept[0])
    assert learner.labels[0].tolist() == [0, 1, 2, 3]
    assert not np.array_equal(learner.models[0], learner.models[1])
    assert not learner.alarms.any()


def test_who_comes_back_to_a_server_begins_with_its_model() -> None:
    """McMahan 2017, algorithm 1: the server sends w_t to whoever takes part in round t."""
    found = stream()
    gossip = GossipConfig(away={"node-2": (0, 5)})
    begun: list[Array] = []
    for name in ("fine-tune", "ifca", "oracle"):
        learner: Any = opened(name, "server", found, gossip=gossip)
        given = learner.exchange.given

        def kept(models: Array, given: Any = given, learner: Any = learner) -> Array:
            after: Array = given(models)
            if learner.exchange.number == 5:
                begun.append(after)
            return after

        learner.exchange.given = kept
        learner.learn(found.batches[0], found.concept[0])
    assert begun
    assert all(np.array_equal(models[1], models[0]) for models in begun)

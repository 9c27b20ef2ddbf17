"""What every stream learner promises, and what some are equal to in closed form."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import EXCHANGES
from flame.streams.learners.learner import LEARNERS, Learner, Pace, apart, open_learner
from flame.streams.learners.replay import Reservoir
from flame.streams.methods import MethodConfig
from flame.streams.networks.base import Adam
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch, Stream

PACE = Pace(rounds=8, local_steps=2)
AT_A_SERVER = ("feddrift",)
UNTRAINED = ("majority",)
"""Learners without a model, which neither train nor send."""


def stream(source: str = "sine", nodes: int = 4, steps: int = 4, samples: int = 30) -> Stream:
    schedule = ScheduleConfig(nodes=nodes, steps=steps, at=(min(2, steps - 1),), order=(0, 1))
    return synthetic_stream(SyntheticConfig(source, samples), plan_of(schedule, None, 0), 5)


def opened(
    name: str,
    exchange: str,
    found: Stream,
    strategy: str = "fedavg",
    gossip: GossipConfig | None = None,
    pace: Pace = PACE,
    **options: Any,
) -> Learner:
    peers = GossipNetwork(gossip or GossipConfig(), found.nodes)
    learner = open_learner(name, options)
    mixes = strategy if exchange == "server" else "dpsgd"
    network = MLP(found.shape[0], 6, len(found.classes))
    learner.begin(network, EXCHANGES[exchange](peers, mixes, {}, 0.05), pace, 1)
    return learner


def taught(learner: Learner, found: Stream) -> Learner:
    for step, batch in enumerate(found.batches):
        learner.learn(batch, found.concept[step])
    return learner


@pytest.mark.parametrize("name", list(LEARNERS))
def test_what_pads_a_batch_changes_nothing(name: str) -> None:
    """Nodes have 30, 17, 4 and no rows; the others hold anything."""
    found, told = stream(), []
    there = np.arange(30) < np.array([30, 17, 4, 0])[:, None]
    for seed in (0, 1):
        rng, padded = np.random.default_rng(seed), []
        for b in found.batches:
            x = np.where(there[..., None], b.x, rng.normal(size=b.x.shape))
            y = np.where(there, b.y, rng.integers(0, 2, b.y.shape))
            padded.append(Batch(x, y, y, there))
        exchange = "server" if name in AT_A_SERVER else "gossip"
        learner = taught(opened(name, exchange, found), replace(found, batches=tuple(padded)))
        told.append(learner.predict(found.batches[0].x))
    assert np.isfinite(told).all()
    assert np.allclose(told[0], told[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("exchange", list(EXCHANGES))
@pytest.mark.parametrize("name", list(LEARNERS))
def test_who_is_away_learns_nothing_with_any_method(name: str, exchange: str) -> None:
    if name in AT_A_SERVER and exchange != "server":
        pytest.skip(f"{name} is for a server")
    found, gossip = stream(steps=4), GossipConfig(away={"node-2": (0, 24)})  # three steps of eight
    whole = opened(name, exchange, found, gossip=gossip)
    x, first = found.batches[0].x, whole.predict(found.batches[0].x)
    prequential(whole, found.first(3))
    assert np.allclose(whole.predict(x)[1], first[1], rtol=0, atol=1e-12)
    assert not np.array_equal(whole.predict(x)[0], first[0])
    prequential(whole, found)
    assert not np.allclose(whole.predict(x)[1], first[1], rtol=0, atol=1e-6)


def after(name: str, exchange: str, found: Stream | None = None, **given: Any) -> np.ndarray:
    found = found or stream()
    return taught(opened(name, exchange, found, **given), found).models


@pytest.mark.parametrize("exchange", list(EXCHANGES))
@pytest.mark.parametrize("name", list(LEARNERS))
def test_of_every_learner(name: str, exchange: str) -> None:
    found = stream("digits-swapped", steps=3)
    if name in AT_A_SERVER and exchange != "server":
        with pytest.raises(BadInput, match="exchange = 'server'"):
            opened(name, exchange, found)
        return
    copies = [(b.x.copy(), b.y.copy()) for b in found.batches]
    learner = taught(opened(name, exchange, found), found)
    again = taught(opened(name, exchange, found), found)
    told = learner.predict(found.batches[0].x)
    assert told.shape == (4, 30, 10)
    assert np.allclose(told.sum(axis=-1), 1)
    assert np.array_equal(told, again.predict(found.batches[0].x))
    assert learner.models.shape == learner.start.shape
    assert np.array_equal(learner.models, learner.start) == (name in UNTRAINED)
    assert learner.alarms.shape == (4,)
    for batch, (x, y) in zip(found.batches, copies, strict=True):
        assert np.array_equal(batch.x, x)
        assert np.array_equal(batch.y, y)
    sends = exchange != "alone" and name not in UNTRAINED
    assert (learner.exchange.sent > 0).all() == sends


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_step_without_rows_at_a_node_passes(name: str) -> None:
    found = stream()
    empty = found.batches[1].exists.copy()
    empty[2] = False
    hole = Batch(found.batches[1].x, found.batches[1].y, found.batches[1].truth, empty)
    learner = opened(name, "server" if name in AT_A_SERVER else "gossip", found)
    for step, batch in enumerate([found.batches[0], hole, found.batches[2]]):
        learner.learn(batch, found.concept[step])
    assert np.isfinite(learner.models).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("window", {"steps": 1}),
        ("ewc", {"strength": 0.0}),
        ("lwf", {"strength": 0.0}),
        ("der++", {"alpha": 0.0, "beta": 0.0}),
    ],
)
def test_what_equals_fine_tuning(name: str, options: dict[str, Any]) -> None:
    assert np.allclose(after(name, "gossip", **options), after("fine-tune", "gossip"), atol=1e-9)


def test_a_full_graph_with_equal_rows_is_fedavg() -> None:
    full = GossipConfig(topology="full")
    assert np.allclose(after("fine-tune", "gossip", gossip=full), after("fine-tune", "server"))
    assert np.allclose(after("oracle", "gossip", gossip=full), after("oracle", "server"))


def test_alone_is_plain_adam_on_own_rows() -> None:
    found = stream(steps=3)
    expected = opened("fine-tune", "alone", found).start
    net = MLP(2, 6)
    for batch in found.batches:
        adam = Adam(expected.shape, PACE.rate)
        for _ in range(PACE.rounds * PACE.local_steps):
            slope = net.loss_gradient(expected, batch.x, batch.y, batch.weight)
            expected = adam.step(expected, slope)
    assert np.allclose(after("fine-tune", "alone", found), expected, atol=1e-9)


def test_a_node_that_is_away_neither_moves_nor_is_heard() -> None:
    found = stream(steps=2)
    away = GossipConfig(away={"node-2": (0,)})
    learner = opened("fine-tune", "gossip", found, gossip=away)
    learner.learn(found.batches[0], found.concept[0])
    assert np.array_equal(learner.models[1], learner.start[1])
    assert not np.array_equal(learner.models[0], learner.start[0])


def test_an_annealed_rate_falls_by_the_same_amount_each_round() -> None:
    pace = Pace(rounds=4, rate=0.2, annealed=True)
    assert np.allclose([pace.rate_of(number) for number in range(4)], [0.2, 0.15, 0.1, 0.05])
    assert Pace(rounds=4, rate=0.2).rate_of(3) == 0.2


@pytest.mark.parametrize("name", [n for n in LEARNERS if n not in UNTRAINED])
def test_every_learner_anneals(name: str) -> None:
    exchange, found = "server" if name in AT_A_SERVER else "gossip", stream()
    still = after(name, exchange, found)
    annealed = after(name, exchange, found, pace=replace(PACE, annealed=True))
    assert not np.allclose(still, annealed)


def test_nodes_that_anneal_come_to_agree() -> None:
    found = stream(nodes=8)
    pace = Pace(rounds=40, local_steps=5)
    far = apart(after("fine-tune", "gossip", found, pace=pace))
    near = apart(after("fine-tune", "gossip", found, pace=replace(pace, annealed=True)))
    assert near < far / 3


@pytest.mark.parametrize("name", ["adaptive-fedavg", "early-stop", "ewc", "replay"])
def test_a_strategy_corrects_learners_with_steps_of_their_own(name: str) -> None:
    free = after(name, "server")
    assert not np.allclose(free, after(name, "server", strategy="fedprox"))


def test_fedprox_holds_back() -> None:
    free = after("fine-tune", "server")
    held = after("fine-tune", "server", strategy="fedprox")
    assert not np.allclose(free, held)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_strategy_changes_what_learners_that_are_mixed_learn_and_no_others(name: str) -> None:
    one, other = (after(name, "server", strategy=each) for each in ("fedavg", "fedadam"))
    assert np.array_equal(one, other) != LEARNERS[name].mixes


@pytest.mark.parametrize(
    "given",
    [
        {"learner": "ifca", "exchange": "server", "strategy": "flash"},
        {"exchange": "gossip", "strategy": "fedprox"},
        {"learner": "oracle", "exchange": "server", "strategy_options": {"rate": 1.0}},
    ],
)
def test_a_strategy_that_nothing_would_use_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="would not use it"):
        MethodConfig(**given)


@pytest.mark.parametrize("learner", ["fine-tune", "ifca"])
def test_an_exchange_that_there_is_not_is_refused(learner: str) -> None:
    with pytest.raises(BadInput, match="sever"):
        MethodConfig(learner, "sever")


def test_a_strategy_whose_sites_have_own_models_is_refused() -> None:
    with pytest.raises(BadInput, match="ditto"):
        opened("fine-tune", "server", stream(), strategy="ditto")


def test_an_agem_step_never_climbs_the_loss_of_the_reservoir() -> None:
    found = stream()
    learner = opened("a-gem", "alone", found)
    learner.learn(found.batches[0], found.concept[0])
    turned = found.batches[3]
    slope = learner.gradient(learner.models, (turned.x, turned.y, turned.weight))  # type: ignore[attr-defined]
    kept = learner.network.loss_gradient(learner.models, *learner.old.rows)  # type: ignore[attr-defined]
    plain = learner.network.loss_gradient(learner.models, turned.x, turned.y, turned.weight)
    assert ((plain * kept).sum(axis=1) < 0).any()
    assert ((slope * kept).sum(axis=1) >= -1e-9).all()


def test_the_fisher_of_ewc_is_the_mean_squared_gradient_of_single_rows() -> None:
    found = stream(steps=2, samples=5)
    learner = opened("ewc", "alone", found)
    learner.learn(found.batches[0], found.concept[0])
    batch, expected = found.batches[0], 0.0
    for row in range(5):
        one = slice(row, row + 1)
        expected = (
            expected
            + learner.network.loss_gradient(
                learner.models, batch.x[:, one], batch.y[:, one], batch.weight[:, one]
            )
            ** 2
            / 5
        )
    assert np.allclose(learner.fisher, expected)  # type: ignore[attr-defined]


def test_a_reservoir_keeps_every_row_as_likely() -> None:
    kept = np.zeros(40)
    for seed in range(400):
        sample = Reservoir([0], 10, (1,), 1, seed)
        x = np.arange(40.0).reshape(1, 40, 1)
        y = np.zeros((1, 40), np.int64)
        sample.add(Batch(x, y, y, np.ones((1, 40), bool)), np.zeros((1, 40, 1)))
        kept[sample.x[0, :, 0].astype(int)] += 1
    assert abs(kept / 400 - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 400)


def test_learners_of_clusters_tell_two_opposite_concepts_apart() -> None:
    found = synthetic_stream(
        SyntheticConfig("sine", 100), plan_of(ScheduleConfig("A"), None, 0), 3
    ).first(5)
    pace = Pace(rounds=30, local_steps=5, rate=0.05)
    for name, exchange in (
        ("feddrift", "server"),
        ("reset-and-gate", "gossip"),
        ("oracle", "gossip"),
    ):
        learner = taught(opened(name, exchange, found, pace=pace), found)
        right = learner.predict(found.batches[-1].x).argmax(axis=-1) == found.batches[-1].y
        assert right.mean() > 0.85, name
    plain = taught(opened("fine-tune", "server", found, pace=pace), found)
    right = plain.predict(found.batches[-1].x).argmax(axis=-1) == found.batches[-1].y
    assert right.mean() < 0.8  # one model for both cannot
    fell = opened("feddrift", "server", found, pace=pace)
    for step in range(4):
        fell.learn(found.batches[step], found.concept[step])
        assert fell.alarms.sum() >= (step > 0) * (found.changed[step].sum() > 0)


def test_adaptive_fedavg_slows_down_in_calm() -> None:
    found = stream(steps=3)
    one = opened("adaptive-fedavg", "server", found)
    one.learn(found.batches[0], found.concept[0])
    early = one.models.copy()
    one.learn(found.batches[1], found.concept[1])
    plain = opened("fine-tune", "server", found)
    plain.learn(found.batches[0], found.concept[0])
    there = plain.models.copy()
    plain.learn(found.batches[1], found.concept[1])
    assert np.linalg.norm(one.models - early) < 0.5 * np.linalg.norm(plain.models - there)

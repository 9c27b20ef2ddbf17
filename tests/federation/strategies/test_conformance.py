"""What every strategy promises, whatever it does."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame.core.errors import BadInput
from flame.core.scores import Correction, Update
from flame.federation.config import TrainConfig
from flame.federation.run_strategy import strategy_of
from flame.federation.sections import DataConfig, FederationConfig, TrainingConfig
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, open_strategy

NAMES = ("dense/kernel", "group_normalization/gamma", "dense_1/kernel")
SITES = st.lists(st.tuples(st.floats(-5, 5, width=32), st.integers(1, 99)), min_size=3, max_size=6)


def opened(name: str, **options: float) -> Strategy:
    return open_strategy(name, options, learning_rate=0.1)


def state(value: float = 0.0) -> State:
    return State(
        [
            np.full((2, 2), value, np.float32),
            np.full(3, value, np.float32),
            np.full((3, 1), value, np.float32),
        ],
        {},
        NAMES,
    )


def update(name: str, value: float, patients: int, steps: int = 1) -> Update:
    return Update(name, state(value).weights, patients, 0.5, 0.0, steps)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("krum", {"keep": 0}),
        ("krum", {"num_byzantine": -1}),
        ("fedadam", {"tau": 0}),
        ("fedyogi", {"server_learning_rate": -1}),
        ("fedprox", {"mu": -1}),
        ("fedavgm", {"momentum": 2}),
        ("qffl", {"q": -1}),
        ("feddyn", {"alpha": 0}),
        ("geometric-median", {"steps": 0}),
        ("centred-clipping", {"radius": 0}),
        ("trimmed-mean", {"num_trimmed": -1}),
        ("flash", {"beta_2": 1}),
        ("ditto", {"lambda_": -1}),
        ("fedbuff", {"buffer": 0}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=f"'options.{next(iter(options))}' must be "):
        open_strategy(name, options, 0.1)


@pytest.mark.parametrize("name", list(STRATEGIES))
class TestEveryStrategy:
    @given(values=SITES)
    def test_keeps_shapes_types_and_arguments(
        self, name: str, values: list[tuple[float, int]]
    ) -> None:
        strategy = opened(name)
        updates = [update(str(i), v, n) for i, (v, n) in enumerate(values)]
        start = strategy.begin(state(), tuple(u.centre for u in updates))
        memory = {key: [w.copy() for w in arrays] for key, arrays in start.memory.items()}
        copies = [[w.copy() for w in u.weights] for u in updates]
        once, again = (strategy.aggregate(start, updates) for _ in range(2))
        for a, b, before in zip(once.weights, again.weights, start.weights, strict=True):
            assert (a.dtype, a.shape) == (before.dtype, before.shape)
            assert np.array_equal(a, b)
            assert not before.any()
        assert once.names == NAMES
        for u, copy in zip(updates, copies, strict=True):
            assert all(np.array_equal(w, c) for w, c in zip(u.weights, copy, strict=True))
        assert start.memory.keys() == memory.keys()
        for key, arrays in memory.items():
            assert all(np.array_equal(a, b) for a, b in zip(start.memory[key], arrays, strict=True))

    @given(value=st.floats(-5, 5, width=32), sites=st.integers(3, 6))
    def test_who_does_not_move_leaves_everything_where_it_is(
        self, name: str, value: float, sites: int
    ) -> None:
        strategy, names = opened(name), tuple(map(str, range(sites)))
        start = strategy.begin(state(value), names)
        after = strategy.aggregate(start, [update(s, value, int(s) + 1) for s in names])
        for a, b in zip(after.weights, start.weights, strict=True):
            assert np.allclose(a, b, rtol=1e-6)

    def test_two_rounds_and_what_sites_receive(self, name: str) -> None:
        strategy = opened(name)
        at = strategy.begin(state(), tuple("abc"))
        for number in (1.0, 2.0):
            for site in "abc":
                weights = strategy.weights_for(at, site)
                assert [w.shape for w in weights] == [w.shape for w in at.weights]
                for correction in strategy.corrections(at, site):
                    self.fits(correction, at)
            at = strategy.aggregate(at, [update(s, number + i, 9) for i, s in enumerate("abc")])
        assert all(np.isfinite(w).all() for w in at.weights)
        assert all(np.isfinite(w).all() for m in at.memory.values() for w in m)

    @staticmethod
    def fits(correction: Correction, at: State) -> None:
        for arrays in (correction.linear, correction.towards):
            assert not arrays or [np.shape(a) for a in arrays] == [w.shape for w in at.weights]
        assert not correction.frozen or len(correction.frozen) == len(at.weights)

    def test_a_network_without_weights_is_no_trouble(self, name: str) -> None:
        empty = State([], {}, ())
        if not opened(name).personal:
            updates = [Update(s, [], 5, 0.1, 0.0) for s in "abc"]
            assert opened(name).aggregate(empty, updates).weights == []

    def test_unknown_options_are_refused(self, name: str) -> None:
        with pytest.raises(BadInput, match=r"unknown key 'options\.speed'"):
            opened(name, speed=3)
        known = [f.name for f in fields(STRATEGIES[name])]  # type: ignore[arg-type]
        assert "weights" not in known


@pytest.mark.parametrize("name", ["fednova", "scaffold"])
def test_strategies_that_count_steps_want_plain_ones(name: str) -> None:
    def run(**training: Any) -> TrainConfig:
        return TrainConfig(
            DataConfig(table="t"),
            federation=FederationConfig(strategy=name),
            training=TrainingConfig(**training),
        )

    with pytest.raises(BadInput, match=r"set training.optimizer = 'sgd'"):
        strategy_of(run())
    assert strategy_of(run(optimizer="sgd", learning_rate=0.3))


def test_an_unknown_strategy_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="unknown strategy 'fedadm': .*fedadam"):
        opened("fedadm")


def test_a_compared_strategy_takes_options_and_those_of_no_other(toy: TrainConfig) -> None:
    compared = replace(
        toy.federation, compare=("fedprox",), compare_options={"fedprox": {"mu": 0.5}}
    )
    config = replace(toy, federation=compared)
    assert repr(strategy_of(config, "fedprox")) == "FedProx(mu=0.5)"
    assert repr(strategy_of(config)) == "FedAvg()"
    with pytest.raises(BadInput, match="compare_options names a strategy that federation.compare"):
        replace(compared, compare=())


def test_what_follows_losses_is_refused_where_they_are_not_sent(toy: TrainConfig) -> None:
    private = replace(
        toy,
        federation=replace(toy.federation, strategy="fedpid"),
        privacy=replace(toy.privacy, level="patient", bounds={"x": (-4.0, 4.0), "y": (-4.0, 4.0)}),
    )
    with pytest.raises(BadInput, match="fedpid needs the losses of sites"):
        strategy_of(private)

"""Rounding within its bounds, right on average, and a run that loses nothing by it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flame.core.errors import BadInput
from flame.core.scores import Correction
from flame.federation.calls import Replies
from flame.federation.checkpoint import finished
from flame.federation.compression import beginnings, changed, changes, packed, unpacked
from flame.federation.config import TrainConfig
from flame.federation.strategies.strategy import State
from flame.federation.tasks.registry import open_task
from flame.federation.update_checks import added, checked
from flame.pipelines import train

NAME = "federated.seed-0.all"


@given(
    arrays(np.float32, (3, 200), elements=st.floats(-1e6, 1e6, width=32)), st.sampled_from([16, 8])
)
def test_rounding_is_within_half_a_step_or_one(array: np.ndarray, bits: int) -> None:
    found = unpacked(packed(array, bits, np.random.default_rng(0)))
    assert found.shape == array.shape
    assert found.dtype == np.float32
    # 16 bits: 11 of them count, down to 2^-24 of the largest. 8 bits: 127 steps to the largest.
    largest = np.abs(array).max()
    step = np.maximum(np.abs(array) * 2.0**-11, largest * 2.0**-24) if bits == 16 else largest / 127
    assert (np.abs(found - array) <= step * 1.001 + 1e-30).all()


def test_eight_bits_are_right_on_average() -> None:
    array = np.linspace(-1, 1, 1000, dtype=np.float32)
    rng = np.random.default_rng(1)
    each = [unpacked(packed(array, 8, rng)) for _ in range(400)]
    # A step is 2 / 254; what is uniform over it has a standard deviation of at most half of it.
    assert np.abs(np.mean(each, axis=0) - array).max() < 5 * (1 / 127 / 2) / np.sqrt(400)


class Highest:
    """Draws the highest number below 1."""

    def random(self, shape: tuple[int, ...], kind: type) -> np.ndarray:
        return np.full(shape, 1 - 2.0**-24, kind)


def test_the_largest_of_a_block_keeps_its_sign() -> None:
    array = np.full(256, 2.5, np.float32)
    assert np.allclose(unpacked(packed(array, 8, Highest())), array)  # type: ignore[arg-type]
    assert np.allclose(unpacked(packed(-array, 8, Highest())), -array, rtol=0.01)  # type: ignore[arg-type]


@pytest.mark.parametrize(("bits", "bytes_each"), [(16, 2), (8, 1)])
def test_bytes_on_the_wire(bits: int, bytes_each: int) -> None:
    sent = packed([np.ones((100, 512), np.float32)], bits, np.random.default_rng(0))[0]
    scales = 1 if bits == 16 else 100 * 512 // 256
    assert sent["quantised"].nbytes == bytes_each * 51200
    assert sent["scales"].size == scales


def test_what_is_not_a_large_array_of_floats_stays() -> None:
    told = {"a": [np.arange(3.0), np.arange(300), "x", 0.1, True], "b": {}}
    found = unpacked(packed(told))
    assert np.array_equal(found["a"][0], told["a"][0])
    assert found["a"][1] is told["a"][1]
    assert found["a"][2:] == ["x", 0.1, True]
    assert found["b"] == {}
    assert not unpacked(packed(np.zeros(300))).any()


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_still_found(bits: int, bad: float) -> None:
    change = np.zeros(300, np.float32)
    change[7] = bad
    weights = packed([change], bits, np.random.default_rng(0))
    answer = {
        "weights": weights,
        "also": [],
        "patients": 3,
        "loss": 0.1,
        "seconds": 0.0,
        "steps": 1,
    }
    start = [np.ones(300, np.float32)]
    updates, lost = checked(added(Replies({"a": answer}), {"a": [start]}), State(start), {"a": 1})
    assert not updates
    assert "not finite" in lost["a"]


def test_other_shapes_lose_the_site() -> None:
    start = [np.ones((2, 300), np.float32)]
    for weights in ([np.ones((1, 300), np.float32)], [], packed([np.ones(300, np.float32)])):
        answers = added(Replies({"a": {"weights": weights, "also": []}}), {"a": [start]})
        assert "another shape" in answers.lost["a"]
        assert not answers.got


def test_models_of_a_round_begin_where_corrections_say() -> None:
    w, s, t = ([np.full(2, v)] for v in (0.0, 1.0, 2.0))
    assert beginnings(w, [Correction(), Correction()]) == [w]
    assert beginnings(w, [Correction(start=s), Correction(start=t)]) == [s, t]
    assert beginnings(w, [Correction(), Correction(start=s)]) == [w, s]
    (moved,) = changes([s], [t])
    assert np.array_equal(moved[0], [1, 1])
    assert np.array_equal(changed([s], [moved])[0][0], t[0])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["fedavg", "ditto", "scaffold", "fedbuff"])
def test_a_run_in_few_bits_ends_where_the_full_one_does(
    toy: TrainConfig, tmp_path: Path, strategy: str
) -> None:
    training = replace(toy.training, optimizer="sgd", rounds=8)
    wide = replace(toy, model=replace(toy.model, hidden=256), training=training)
    ended = {}
    for bits in (32, 16, 8):
        federation = replace(wide.federation, strategy=strategy, bits=bits)
        train.run(replace(wide, federation=federation), tmp_path / f"{bits}")
        found = finished(tmp_path / f"{bits}", NAME).state.weights
        ended[bits] = np.concatenate([w.ravel() for w in found])
    start = finished(tmp_path / "32", NAME)
    assert start.round == 8
    for bits, share in ((16, 2e-3), (8, 2e-2)):
        off = np.linalg.norm(ended[bits] - ended[32])
        assert 0 < off < share * np.linalg.norm(ended[32])


def test_what_has_to_be_exact_is_not_rounded(toy: TrainConfig) -> None:
    with pytest.raises(BadInput, match="bits must be one of 8, 16, 32"):
        replace(toy, federation=replace(toy.federation, bits=4))
    with pytest.raises(BadInput, match="must be 32 with federation.secure, whose sums are exact"):
        replace(toy, federation=replace(toy.federation, bits=16, secure=True))
    with pytest.raises(BadInput, match="not for regressions"):
        open_task(replace(toy, task="survival", federation=replace(toy.federation, bits=8)))

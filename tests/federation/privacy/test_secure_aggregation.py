"""Each step of the protocol of Bonawitz 2017, its arithmetic, lost sites, and a whole run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.core.errors import BadInput, FlameError, Refusal
from flame.federation.calls import Replies
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.flare.trainings import flare_plan
from flame.federation.in_process import in_process_call
from flame.federation.privacy.secret_sharing import joined, split
from flame.federation.privacy.secure_aggregation import SECURE_STEPS, SecureSum
from flame.federation.privacy.secure_update import secure_sum
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.pipelines import train
from tests.helpers.secure_sites import call_of

VALUES = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20)


@given(secret=st.binary(min_size=32, max_size=32), count=st.integers(1, 7), data=st.data())
def test_enough_shares_give_a_secret_back(secret: bytes, count: int, data: st.DataObject) -> None:
    least = data.draw(st.integers(1, count))
    shares = split(secret, list(range(1, count + 1)), least)
    kept = data.draw(st.permutations(list(shares)))[:least]
    assert joined({place: shares[place] for place in kept}) == secret


def test_too_few_shares_give_another_secret() -> None:
    shares = split(b"k" * 32, [1, 2, 3, 4], threshold=3)
    assert joined({1: shares[1], 4: shares[4]}) != b"k" * 32


def sums(values: Mapping[str, list[float]], what: str = "t:1") -> dict[str, SecureSum]:
    return {site: SecureSum(site, what, np.array(v)) for site, v in values.items()}


@settings(max_examples=20, deadline=None)
@given(values=VALUES, count=st.integers(3, 6))
def test_the_sum_is_that_of_the_values(values: list[float], count: int) -> None:
    rows = np.outer(np.arange(1, count + 1), values)
    parts = sums({f"s{i}": row.tolist() for i, row in enumerate(rows)})
    total, sites, lost = secure_sum(call_of(parts), tuple(parts), count, "t:1")
    assert (sites, lost) == (tuple(parts), {})
    assert np.allclose(total, rows.sum(axis=0), atol=count * 2**-24)


@pytest.mark.parametrize("step", SECURE_STEPS)
def test_a_site_that_is_lost_at_each_step(step: str) -> None:
    """The sum is over the sites whose values arrived, to the last bit of the fixed point."""
    parts = sums({site: [2.5 * n, -n] for n, site in enumerate("abcde", 1)})
    total, sites, lost = secure_sum(call_of(parts, {step: {"c"}}), tuple(parts), 3, "t:1")
    alive = "abcde" if step in ("agreed", "unmasked") else "abde"
    assert (sites, set(lost)) == (tuple(alive), {"c"})
    n = np.array(["abcde".index(site) + 1 for site in alive])
    assert total.tolist() == [2.5 * n.sum(), -n.sum()]


def test_too_few_sites_end_the_sum() -> None:
    parts = sums({site: [1.0] for site in "abc"})
    with pytest.raises(FlameError, match="too few sites to hide .* b was silent"):
        secure_sum(call_of(parts, {"hidden": {"b"}}), tuple(parts), 2, "t:1")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e12])
def test_values_that_cannot_be_hidden(bad: float) -> None:
    with pytest.raises(Refusal, match="not finite, or too large"):
        SecureSum("a", "t:1", np.array([bad]))


def secured(toy: TrainConfig) -> TrainConfig:
    federation = replace(toy.federation, secure=True)
    privacy = replace(toy.privacy, bounds={"x": (-3.0, 3.0), "y": (-3.0, 3.0)})
    return replace(toy, federation=federation, privacy=privacy)


def sites_of(config: TrainConfig, names: str, secure: bool) -> dict[str, Site]:
    task = open_task(config)
    patients = [task.patients(load_cohort(config, c)) for c in "ab"]
    return {
        name: Site(task, [replace(patients[n % 2], centre=name)], secure=secure)
        for n, name in enumerate(names)
    }


@pytest.mark.parametrize("validation", [0, 4])
def test_the_coordinator_receives_no_sum_of_one_site_and_ends_where_fedavg_does(
    toy: TrainConfig, tmp_path: Path, validation: int
) -> None:
    training = replace(toy.training, validation=validation)
    config = replace(secured(toy), training=training)
    received: list[tuple[str, dict[str, Any]]] = []
    inner = in_process_call(sites_of(config, "abc", secure=True))

    def spying(method: str, names: tuple[str, ...], *each: Any, **arguments: Any) -> Replies:
        answers = inner(method, names, *each, **arguments)
        received.extend((method, reply) for reply in answers.got.values())
        return answers

    plan = [Training(FEDERATED, ("a", "b", "c"), 0, 2)]
    Coordinator(config, open_task(config), tmp_path / "secure", plan).run(
        spying, lambda f: f.centres
    )
    plain = replace(config, federation=toy.federation, privacy=config.privacy)
    task = open_task(config)
    task.config = plain
    open_call = in_process_call(sites_of(config, "abc", secure=False))
    coordinator = Coordinator(config, open_task(config), tmp_path / "open", plan)
    coordinator.secure = False
    coordinator.run(open_call, lambda f: f.centres)
    one, other = (finished(tmp_path / k, "federated.seed-0.all") for k in ("secure", "open"))
    for a, b in zip(one.state.weights, other.state.weights, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    allowed = {
        "describe": {"version"},
        "initial_weights": {"weights", "names"},
        "train": {"seconds"},
        "reply": {"shapes"},
        **{step: {step} for step in SECURE_STEPS},
    }
    for method, reply in received:
        assert set(reply) == allowed[method], method


def test_a_run_goes_on_without_lost_sites(toy: TrainConfig, tmp_path: Path) -> None:
    config = secured(toy)
    fewer = replace(config, federation=replace(config.federation, min_available_sites=3))
    inner = in_process_call(sites_of(config, "abcdefg", secure=True))

    def call(method: str, names: tuple[str, ...], *each: Any, **arguments: Any) -> Replies:
        answers = inner(method, names, *each, **arguments)
        lost = {s: "was silent for 5 s" for s in ("f", "g") if s in names and method == "hidden"}
        return Replies({s: r for s, r in answers.got.items() if s not in lost}, lost)

    plan = [Training(FEDERATED, tuple("abcdefg"), 0, 2)]
    Coordinator(fewer, open_task(config), tmp_path / "run", plan).run(call, lambda f: f.centres)
    history = finished(tmp_path / "run", "federated.seed-0.all").history
    assert [r["site"] for r in history if not r["lost"]] == ["a+b+c+d+e"] * 3
    with pytest.raises(FlameError, match="too few sites to hide"):
        Coordinator(config, open_task(config), tmp_path / "all", plan).run(
            call, lambda f: f.centres
        )


def test_a_secure_site_sends_nothing_in_clear(toy: TrainConfig) -> None:
    site = sites_of(secured(toy), "abc", secure=True)["a"]
    start = site.initial_weights(0)["weights"]
    who = {"seed": 0, "folds": 2, "fold": 0, "centres": ["a"]}
    with pytest.raises(Refusal, match="updates under masks only"):
        site.train("t", 1, start, {}, who, [])
    with pytest.raises(Refusal, match="sums under masks only"):
        site.reply("moments", {}, [], {}, False, who)


def test_what_cannot_be_hidden_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    config = secured(toy)
    median = replace(config, federation=replace(config.federation, strategy="median"))
    with pytest.raises(BadInput, match="shows the mean alone, and median needs each update"):
        train.run(median, tmp_path / "run")
    with pytest.raises(BadInput, match="not for regressions"):
        open_task(replace(config, task="survival"))
    with pytest.raises(BadInput, match=r"privacy\.bounds: give the lowest and highest"):
        replace(config, privacy=toy.privacy)
    two = replace(config, data=replace(config.data, centres=("a", "b")))
    with pytest.raises(BadInput, match="needs 3 centres at least"):
        flare_plan(two)

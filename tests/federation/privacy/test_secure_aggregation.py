"""The coordinator sees a sum and nothing else: arithmetic, what is on the wire, lost sites."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from flame.core.errors import BadInput, FlameError, Refusal
from flame.federation.calls import Replies
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.privacy.secure_aggregation import Masks, sum_of
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.pipelines import train

VALUES = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20)


@settings(max_examples=20, deadline=None)
@given(values=VALUES, count=st.integers(2, 6))
def test_masks_cancel_in_the_sum(values: list[float], count: int) -> None:
    masks = {f"s{i}": Masks() for i in range(count)}
    keys = {name: m.public for name, m in masks.items()}
    rows = np.outer(np.arange(1, count + 1), values)
    hidden = [m.hide(n, row, "t:1", keys) for (n, m), row in zip(masks.items(), rows, strict=True)]
    assert np.allclose(sum_of(hidden), rows.sum(axis=0), atol=count * 2**-24)
    assert np.array_equal(sum_of(hidden), sum_of(hidden[::-1]))


def test_one_update_alone_looks_like_noise() -> None:
    masks = {name: Masks() for name in "ab"}
    keys = {name: m.public for name, m in masks.items()}
    same = [masks["a"].hide("a", np.full(5000, 3.25), what, keys) for what in ("t:1", "t:2")]
    for hidden in same:  # uniform over all numbers, though all values are one
        assert kstest(hidden.astype(float) / 2.0**64, "uniform").pvalue > 1e-3
    assert not np.isin(same[0], same[1]).any()


def test_what_a_site_refuses() -> None:
    masks = {name: Masks() for name in "abc"}
    keys = {name: m.public for name, m in masks.items()}
    x, a = np.zeros(3), masks["a"]
    with pytest.raises(Refusal, match="another site at least"):
        a.hide("a", x, "t:1", {"a": a.public})
    with pytest.raises(Refusal, match="another site at least"):
        a.hide("a", x, "t:1", {"b": masks["b"].public, "c": masks["c"].public})
    two = {name: keys[name] for name in "ab"}
    a.hide("a", x, "t:1", two)
    with pytest.raises(Refusal, match="only among fewer sites"):
        a.hide("a", x, "t:1", keys)
    a.hide("a", x, "t:2", keys)
    for bad in (np.nan, np.inf, 1e12):
        with pytest.raises(Refusal, match="not finite, or too large"):
            a.hide("a", np.array([bad]), "t:3", keys)


def sites(config: TrainConfig) -> dict[str, Site]:
    task = open_task(config)
    return {c: Site(task, [task.patients(load_cohort(config, c))], secure=True) for c in "ab"}


def secured(toy: TrainConfig) -> TrainConfig:
    return replace(toy, federation=replace(toy.federation, secure=True))


def test_the_coordinator_receives_no_update_and_ends_where_fedavg_does(
    toy: TrainConfig, tmp_path: Path
) -> None:
    config, received = secured(toy), []
    inner = in_process_call(sites(config))

    def spying(method: str, names: tuple[str, ...], *each: Any, **arguments: Any) -> Replies:
        answers = inner(method, names, *each, **arguments)
        received.append((method, answers.got))
        return answers

    plan = [Training(FEDERATED, ("a", "b"), 0, 2)]
    Coordinator(config, open_task(config), tmp_path / "secure", plan).run(
        spying, lambda f: f.centres
    )
    open_call = in_process_call({n: Site(s.task, s.patients) for n, s in sites(toy).items()})
    Coordinator(toy, open_task(toy), tmp_path / "open", plan).run(open_call, lambda f: f.centres)
    one, other = (finished(tmp_path / k, "federated.seed-0.all") for k in ("secure", "open"))
    for a, b in zip(one.state.weights, other.state.weights, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    assert [row["patients"] for row in one.history] == [40] * 3
    of_sites = [got for method, got in received if method in ("train", "masked")]
    assert len(of_sites) == 6
    for got in of_sites:
        for answer in got.values():
            assert set(answer) in ({"seconds"}, {"masked"})
            assert answer.get("masked", np.zeros(0, np.uint64)).dtype == np.uint64


def test_a_site_that_is_lost_while_hiding(toy: TrainConfig, tmp_path: Path) -> None:
    config = secured(toy)
    task, cohort = open_task(config), load_cohort(config, "a")
    three = {n: Site(task, [replace(task.patients(cohort), centre=n)]) for n in "abc"}
    inner, cut = in_process_call(three), []

    def call(
        method: str,
        names: tuple[str, ...],
        each: Mapping[str, Any] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Replies:
        answers = inner(method, names, each, enough, **arguments)
        if method == "masked" and "c" in names:
            cut.append(answers.got.pop("c"))
            return Replies(answers.got, {"c": "was silent for 5 s"})
        return answers

    plan = [Training(FEDERATED, ("a", "b", "c"), 0, 2)]
    with pytest.raises(FlameError, match="too few sites to hide .* c was silent"):
        Coordinator(config, task, tmp_path / "all", plan).run(call, lambda f: f.centres)
    fewer = replace(config, federation=replace(config.federation, min_available_sites=2))
    Coordinator(fewer, task, tmp_path / "run", plan).run(call, lambda f: f.centres)
    history = finished(tmp_path / "run", "federated.seed-0.all").history
    assert [(r["site"], r["lost"]) for r in history] == [
        ("a+b", ""),
        ("c", "was silent for 5 s"),
    ] * 3


def test_a_secure_site_sends_nothing_in_clear(toy: TrainConfig) -> None:
    site = sites(secured(toy))["a"]
    start = site.initial_weights(0)["weights"]
    with pytest.raises(Refusal, match="under masks only"):
        site.train("t", 1, start, {}, {"seed": 0, "folds": 2, "fold": 0, "centres": ["a"]}, [])


def test_strategies_that_need_each_update_are_refused(toy: TrainConfig, tmp_path: Path) -> None:
    config = secured(toy)
    config = replace(config, federation=replace(config.federation, strategy="median"))
    with pytest.raises(BadInput, match="shows the mean alone, and median needs each update"):
        train.run(config, tmp_path / "run")
    with pytest.raises(BadInput, match="not for regressions"):
        open_task(replace(secured(toy), task="survival"))

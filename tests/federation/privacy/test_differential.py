"""Budgets against closed forms, clipping and noise by hand, and what a private run lets out."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import chisquare, norm

from flame.core.errors import BadInput, Refusal
from flame.core.scores import Correction
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.folds import training_rows
from flame.federation.privacy.budget import Budget, Spent, epsilon
from flame.federation.privacy.differential import CentrePrivacy
from flame.federation.privacy.site_policy import SitePolicy
from flame.federation.sections import PrivacyConfig
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.models.response.gaussian_mechanism import (
    clipped,
    limit_before_rounding,
    noised,
    steps_of,
)
from flame.pipelines import train

BOUNDS = {"x": (-4.0, 4.0), "y": (-4.0, 4.0)}
WHO = {"seed": 0, "folds": 2, "fold": 0, "centres": ["a"]}


def private(toy: TrainConfig, level: str = "patient", **given: float) -> TrainConfig:
    privacy = PrivacyConfig(level=level, bounds=BOUNDS, **given)  # type: ignore[arg-type]
    return replace(toy, privacy=privacy)


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (4.0, 20), (8.0, 300)])
def test_epsilon_lies_between_the_exact_one_and_the_classical_bound(
    noise: float, steps: int
) -> None:
    # Exact for Gaussians (Balle 2018, arXiv:1805.06530): many steps are one of mu = sqrt(n) / z.
    mu, delta = math.sqrt(steps) / noise, 1e-5

    def excess(eps: float) -> float:
        return float(
            norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta
        )

    exact = brentq(excess, 1e-6, 100)
    # Renyi divergence alpha mu^2 / 2, at the best alpha (Mironov 2017, proposition 3).
    classical = mu**2 / 2 + mu * math.sqrt(2 * math.log(1 / delta))
    found = epsilon([Spent(noise, steps)], delta)
    assert exact <= found <= classical * 1.01


def test_sampling_costs_less_and_parts_add_up() -> None:
    whole, part = (epsilon([Spent(2.0, 50, size, 100)], 1e-5) for size in (100, 5))
    assert part < whole / 2
    assert epsilon([Spent(2.0, 20), Spent(2.0, 30)], 1e-5) == pytest.approx(whole)
    assert epsilon([], 1e-5) == 0
    assert epsilon([Spent(0.0, 1)], 1e-5) == math.inf


def test_costs_of_before_count_in_full(tmp_path: Path) -> None:
    """They were relative to the clip; replacing a patient moves a sum by twice as much."""
    path = tmp_path / "budget.json"
    path.write_text('{"r1": {"noise": 4.0, "rate": 0.1, "steps": 3}}')
    assert Budget(path, math.inf, 1e-5).spent == {"r1": Spent(2.0, 3)}


def test_a_budget_is_kept_on_disk_and_ends(tmp_path: Path) -> None:
    path, cost = tmp_path / "budget.json", Spent(4.0, 1)
    limit = epsilon([cost] * 3, 1e-5) + 1e-6
    budget = Budget(path, limit, 1e-5)
    for message in ("r1", "r2", "r2", "r3", "r1"):
        budget.spend(message, cost)
    again = Budget(path, limit, 1e-5)
    assert len(again.spent) == 3
    with pytest.raises(Refusal, match=r"has spent its privacy budget: epsilon would be .* of"):
        again.spend("r4", cost)
    assert len(Budget(path, limit, 1e-5).spent) == 3


def test_clipping_and_noise() -> None:
    # Norm 5 of both arrays together.
    found = clipped([np.array([3.0]), np.array([[0.0, 4.0]])], 1.0)
    assert np.allclose(np.concatenate([f.ravel() for f in found]), [0.6, 0.0, 0.8])
    assert clipped([np.array([0.3])], 1.0)[0][0] == 0.3
    assert clipped([np.zeros(2)], 1.0)[0].tolist() == [0, 0]
    (noise,) = noised([np.full(20000, 2.0)], 3.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2, abs=0.1)
    assert noise.std() == pytest.approx(3, rel=0.02)
    assert steps_of(10, 4, 2) == 6


def test_the_noise_is_discrete_gaussian() -> None:
    """Compared with the probabilities of Canonne 2020, definition 1, in 40 classes."""
    (drawn,) = noised([np.full(200_000, 0.3)], 1.0, np.random.default_rng(1))
    units = drawn * 2.0**16
    assert np.array_equal(units, np.rint(units))  # multiples of the unit alone
    numbers = units - np.rint(0.3 * 2**16)
    k = np.arange(-(2**19), 2**19 + 1)
    density = np.exp(-((k / 2**16) ** 2) / 2)
    edges = np.concatenate([[-np.inf], np.linspace(-2.5, 2.5, 39) * 2**16 + 0.25, [np.inf]])
    expected, _ = np.histogram(k, edges, weights=density / density.sum() * len(numbers))
    found, _ = np.histogram(numbers, edges)
    assert chisquare(found, expected).pvalue > 1e-3


def test_rounding_moves_no_sum_further_than_the_clip() -> None:
    limit = limit_before_rounding(1.0, deviation=500.0, count=100)
    assert limit + 500 / 2**16 * np.sqrt(100) / 2 == pytest.approx(1.0)
    with pytest.raises(ValueError, match="the grid is coarser than the clip"):
        limit_before_rounding(1.0, deviation=1e6, count=100)


def sites(config: TrainConfig, secret: bytes = b"s") -> Site:
    task = open_task(config)
    guard = CentrePrivacy(config, Budget(None, math.inf, 1e-5), secret)
    return Site(task, [task.patients(load_cohort(config, "a"))], privacy=guard)


def moved(
    config: TrainConfig,
    start: list[np.ndarray],
    secret: bytes = b"s",
    correction: Correction = Correction(),  # noqa: B008
    **who: int,
) -> np.ndarray:
    site = sites(config, secret)
    shared = site.task.prepare(lambda *a, **k: [], {})
    answer = site.train("t", 1, start, shared, WHO | who, [vars(correction)])
    assert answer["loss"] == 0
    return np.concatenate([(a - b).ravel() for a, b in zip(answer["weights"], start, strict=True)])


def test_a_step_is_the_mean_of_clipped_gradients_by_hand(toy: TrainConfig) -> None:
    # Logistic regression: the gradient of one patient is (p - y) (x, 1), plus that of the penalty.
    training = replace(toy.training, epochs=1, optimizer="sgd", learning_rate=0.5)
    model = replace(toy.model, l2=0.01)
    config = replace(private(toy, clip=0.4, noise=1e-9), training=training, model=model)
    site = sites(config)
    start = [np.array([[0.7], [-0.2]], np.float32), np.array([0.1], np.float32)]
    (patients,) = site.patients
    inputs = patients.take(training_rows(patients, WHO["seed"], WHO["folds"], WHO["fold"]))
    total = np.zeros(3)
    for x, y in zip(inputs.clinical / 2, inputs.response, strict=True):  # bounds of -4 to 4
        p = 1 / (1 + np.exp(-(x @ start[0][:, 0] + start[1][0])))
        gradient = np.concatenate([(p - y) * x + 0.02 * start[0][:, 0], [p - y]])
        total += gradient * min(1, 0.4 / np.linalg.norm(gradient))
    expected = -0.5 * total / len(inputs.response)
    assert np.allclose(moved(config, start), expected, atol=1e-6)


def test_a_centre_moves_no_further_than_its_clip_and_its_noise(toy: TrainConfig) -> None:
    training = replace(toy.training, epochs=50, learning_rate=0.5)
    start = [np.zeros((2, 1), np.float32), np.zeros(1, np.float32)]
    config = replace(private(toy, "centre", clip=0.2, noise=1e-9), training=training)
    assert np.linalg.norm(moved(config, start)) == pytest.approx(0.2, rel=1e-4)
    loud = replace(private(toy, "centre", clip=0.2, noise=5.0), training=training)
    assert np.linalg.norm(moved(loud, start)) > 0.4


def test_noise_is_secret_and_new_for_anything_new(toy: TrainConfig) -> None:
    config = private(toy, noise=1.0)
    start = [np.zeros((2, 1), np.float32), np.zeros(1, np.float32)]
    one = moved(config, start)
    assert np.array_equal(one, moved(config, start))
    assert not np.allclose(one, moved(config, start, b"other"))
    near = [start[0] + np.float32(1e-6), start[1]]
    assert np.median(np.abs(one - moved(config, near))) > 1e-4  # one of three may be near by chance
    # Noise that two answers shared would fall out of their difference. At level centre nothing
    # else is drawn, so that a fold alone does not change it.
    loud = private(toy, "centre", noise=1e4)
    noise = moved(loud, start)
    for other in (
        moved(loud, start, fold=1),
        moved(loud, start, correction=Correction(proximal=1e-6)),
        moved(replace(loud, model=replace(loud.model, l2=0.02)), start),
    ):
        assert np.abs(noise - other).min() > 1


def test_a_private_site_tells_nothing_else(toy: TrainConfig) -> None:
    site = sites(private(toy))
    with pytest.raises(Refusal, match="does not reply to 'moments': it would be a figure without"):
        site.reply("moments", {}, [], {}, False, WHO)
    with pytest.raises(Refusal, match="does not reply to 'score'"):
        site.score([], {}, WHO)
    start = [np.zeros((2, 1), np.float32), np.zeros(1, np.float32)]
    with pytest.raises(Refusal, match="learns once a round"):
        site.train("t", 1, start, {}, WHO, [vars(Correction())] * 2)


@pytest.mark.parametrize("level", ["patient", "centre"])
def test_a_run_says_what_it_spent(toy: TrainConfig, tmp_path: Path, level: str) -> None:
    config = private(toy, level, noise=3.0)
    train.run(config, tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "privacy.csv").set_index("centre")
    rounds, epochs = config.training.rounds, config.training.epochs
    each = rounds * (epochs if level == "patient" else 1)
    one = epsilon([Spent(1.5, each)], 1e-5)
    assert table["epsilon of federated.seed-0.all"].to_list() == pytest.approx([one, one])
    # Of centre a: federated whole, two folds and without b; local whole and two folds.
    everything = epsilon([Spent(1.5, 7 * each)], 1e-5)
    assert table["epsilon of all trainings"]["a"] == pytest.approx(everything)
    found = finished(tmp_path / "run", "federated.seed-0.all")
    assert all(np.isfinite(w).all() for w in found.state.weights)


def test_what_cannot_be_private(toy: TrainConfig) -> None:
    for change, message in (
        ({"level": "patiant"}, "level must be one of"),
        ({"level": "patient"}, "privacy.bounds: give the lowest and highest value of every"),
        ({"level": "patient", "bounds": BOUNDS, "noise": 0.0}, "noise must be above 0"),
    ):
        with pytest.raises(BadInput, match=message):
            replace(toy, privacy=PrivacyConfig(**change))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="by a network"):
        open_task(replace(private(toy), task="survival"))


def test_a_policy_can_demand_it(toy: TrainConfig) -> None:
    policy = SitePolicy(epsilon=3.0, least_patients=1)
    with pytest.raises(Refusal, match="with differential privacy only"):
        policy.applied(toy)
    assert policy.applied(private(toy)).privacy.is_private

"""The whole set of answers of a description is attacked with a solver, not one by one.

Unknown are the numbers of patients by feature value, outcome and status. Everything that a centre
sends is an equation about them. Integer programming finds the least and the largest number of
patients that each cell can have: no cell of 1 to 4 may be known.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp

from flame.federation.config import TrainConfig
from flame.federation.sections import PrivacyConfig
from flame.federation.task import Query
from flame.federation.tasks.statistics import StatisticsTask
from flame.models.response.inputs import Everyone

LEAST = 5
VALUES = (0.0, 1.0, None)
OUTCOMES = (0.0, 1.0, None)
CELLS = list(product(VALUES, VALUES, OUTCOMES, OUTCOMES))
"""Two binary features, response, and status; None: unknown."""


def patients(seed: int) -> Everyone:
    """Two binary features, of which one is rare, one continuous feature, and some gaps."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 60))
    x = np.column_stack(
        [rng.random(n) < rng.choice([0.1, 0.4]), rng.random(n) < 0.5, rng.normal(60, 10, n)]
    ).astype(float)
    x[rng.random((n, 3)) < rng.choice([0.0, 0.1])] = np.nan
    response = (rng.random(n) < 0.5).astype(np.float32)
    response[rng.random(n) < 0.15] = np.nan
    days = rng.integers(30, 900, n).astype(float)
    days[rng.random(n) < rng.choice([0.0, 0.1])] = np.nan
    died = (rng.random(n) < 0.8).astype(float)
    names = tuple(f"p{k}" for k in range(n))
    empty = np.zeros((n, 0), np.float32)
    return Everyone("a", names, empty, x, empty, response, days, died)


def replies(config: TrainConfig, centre: Everyone, least: int) -> dict[str, Any]:
    task = StatisticsTask(replace(config, privacy=PrivacyConfig(least_count=least)))
    told = {q: task.reply([centre], Query(q))["a"] for q in ("moments", "survival", "features")}
    return {**told, **told["features"]}


def equations(told: dict[str, Any]) -> list[tuple[np.ndarray, float]]:
    """What the replies say of the numbers of patients in CELLS."""
    cells = np.array([[np.nan if v is None else v for v in cell] for cell in CELLS])
    known = np.isfinite(cells)
    found = []

    def add(mask: np.ndarray, count: float) -> None:
        found.append((mask.astype(float), count))

    add(np.ones(len(cells)), told["moments"]["described"])
    exits = told["survival"]
    if len(exits["deaths"]):
        add(cells[:, 3] == 1, exits["deaths"].sum())
        add(cells[:, 3] == 0, exits["censored"].sum())
    for column in range(2):
        moments = {n: float(told["moments"][n][column]) for n in ("count", "mean")}
        if moments["count"]:
            add(known[:, column], moments["count"])
            add(cells[:, column] == 1, round(moments["count"] * moments["mean"]))
        scores = told["auc"][column]
        for score, yes, no in zip(*(scores[k] for k in ("scores", "yes", "no")), strict=True):
            if score in (0, 1):
                add((cells[:, column] == score) & (cells[:, 2] == 1), yes)
                add((cells[:, column] == score) & (cells[:, 2] == 0), no)
        if len(scores["yes"]):
            add(known[:, column] & (cells[:, 2] == 1), scores["yes"].sum())
            add(known[:, column] & (cells[:, 2] == 0), scores["no"].sum())
        groups = told["groups"][column]
        for status in (0, 1):
            of_status = groups["died"] == status
            if of_status.any():
                count = groups["counts"][of_status].sum()
                add(known[:, column] & (cells[:, 3] == status), count)
                ones = (groups["counts"] * groups["scores"])[of_status].sum()
                add((cells[:, column] == 1) & (cells[:, 3] == status), round(float(ones)))
    return found


def known_small_cells(told: dict[str, Any]) -> list[str]:
    """Marginal and crossed cells whose number the equations fix at 1 to 4."""
    system = equations(told)
    if not system:
        return []
    constraint = LinearConstraint(
        np.array([row for row, _ in system]),
        np.array([count for _, count in system]),
        np.array([count for _, count in system]),
    )
    cells = np.array([[np.nan if v is None else v for v in cell] for cell in CELLS])
    gaps = np.isnan(cells)
    questions = {f"attribute {a} is {v}": cells[:, a] == v for a in range(4) for v in (0, 1)}
    questions |= {f"attribute {a} is unknown": gaps[:, a] for a in range(4)}
    questions |= {
        f"feature {a} is {v} and attribute {b} is {w}": (cells[:, a] == v) & (cells[:, b] == w)
        for a, b, v, w in product((0, 1), (2, 3), (0, 1), (0, 1))
    }
    small = []
    for name, mask in questions.items():
        ends = []
        for sign in (1, -1):
            solved = milp(sign * mask.astype(float), integrality=1, constraints=constraint)
            ends.append(sign * solved.fun if solved.status == 0 else np.inf * -sign)
        if ends[0] == pytest.approx(ends[1]) and 0.5 < ends[0] < LEAST - 0.5:
            small.append(f"{name}: {ends[0]:.0f}")
    return small


@pytest.fixture
def config(toy: TrainConfig) -> TrainConfig:
    model = replace(toy.model, clinical=("a", "b", "c"))
    return replace(toy, task="statistics", model=model, baselines={})


def test_no_small_cell_can_be_computed(config: TrainConfig) -> None:
    """Without suppression the solver finds some in most centres."""
    without = [known_small_cells(replies(config, patients(seed), 1)) for seed in range(8)]
    assert sum(map(bool, without)) >= 5
    for seed in range(30):
        assert not known_small_cells(replies(config, patients(seed), LEAST)), seed


def test_no_value_of_a_patient_is_sent(config: TrainConfig) -> None:
    """The medians of blocks of five were members' values."""
    shown = 0
    for seed in range(20):
        centre = patients(seed)
        told = replies(config, centre, LEAST)
        ages, days = (set(v[np.isfinite(v)]) for v in (centre.clinical[:, 2], centre.survival_days))
        sent = set(told["auc"][2]["scores"]) | set(told["groups"][2]["scores"])
        assert not sent & ages
        times = set(told["survival"]["times"]) | set(told["groups"][2]["days"])
        assert len(times & days) <= 1  # a mean of whole days can be one by chance
        shown += len(sent)
    assert shown > 50

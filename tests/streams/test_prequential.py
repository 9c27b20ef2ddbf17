"""Test-then-train, and what its table is summed up to, by hand."""

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import FlameError
from flame.federation.gossip.network import GossipConfig
from flame.streams.changes import detection
from flame.streams.detectors import DETECTORS, first_alarm
from flame.streams.learners.fine_tune import FineTune
from flame.streams.learners.learner import Pace
from flame.streams.measures import area_lost, gap_closed, interval, summary
from flame.streams.methods import MethodConfig, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream


def learned(method: MethodConfig) -> pd.DataFrame:
    plan = plan_of(ScheduleConfig(nodes=3, steps=5, at=(3,), order=(0, 1)), None, 0)
    stream = synthetic_stream(SyntheticConfig("sine", 60), plan, 0)
    pace = Pace(rounds=20, local_steps=5)
    learner = begin(method, stream, MLP(2, 10), GossipConfig(), pace, 0)
    return prequential(learner, stream, ["adwin"])


def test_each_batch_is_tested_before_it_is_learned() -> None:
    rows = learned(MethodConfig())
    assert rows.step.tolist() == [step for step in (1, 2, 3, 4) for _ in range(3)]
    assert rows[rows.step == 3].changed.all()
    assert rows[rows.step == 2].accuracy.mean() > 0.8
    assert rows[rows.step == 3].accuracy.mean() < 0.3  # labels turned round, nobody knew
    assert rows[rows.step == 4].accuracy.mean() > rows[rows.step == 3].accuracy.mean() + 0.1
    assert (rows.bytes == 2 * 20 * 4 * MLP(2, 10).size).all()  # two neighbours, twenty rounds
    assert rows[rows.step == 1].earlier.isna().all()  # nothing is older than the last batch
    assert rows.alarm.isna().all()


def test_models_that_are_no_numbers_are_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FineTune, "train", lambda self, rows, adam: self.models * np.nan)
    with pytest.raises(FlameError, match="at step 0 its models are no longer finite"):
        learned(MethodConfig())


def test_no_bytes_alone() -> None:
    rows = learned(MethodConfig(exchange="alone"))
    assert (rows.bytes == 0).all()
    assert (rows.consensus > 0).all()


RUN = pd.DataFrame(
    {
        "step": [1, 2, 3, 4, 5] * 2,
        "node": ["a"] * 5 + ["b"] * 5,
        "concept": [0, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        "changed": [False, True, False, True, False] + [False] * 5,
        "accuracy": [0.9, 0.3, 0.88, 0.6, 0.85, 1.0, 1.0, 1.0, 1.0, 1.0],
        "alarm": [False, True, False, False, False, True, False, False, False, False],
        "bytes": [10] * 10,
        "consensus": [0.5] * 10,
        "rows": [100] * 10,
        "alarm_x": [np.nan, 40, np.nan, np.nan, np.nan, 7, np.nan, np.nan, np.nan, np.nan],
    }
)


def test_summary_by_hand() -> None:
    found = summary(RUN)
    assert found["accuracy"] == pytest.approx((3.53 + 5) / 10)
    assert found["without_changes"] == pytest.approx((0.9 + 0.88 + 0.85 + 5) / 8)
    assert found["worst_node"] == pytest.approx(3.53 / 5)
    assert found["recovery"] == pytest.approx((1 + 1) / 2)  # 0.88 > .95 * .9; .85 > .95 * .88
    assert found["forgetting"] == pytest.approx(0.9 - 0.85)  # a step after it came back
    assert found["detected"] == pytest.approx(0.5)
    assert found["false_alarms"] == pytest.approx(100 / 6)  # none is false right after a change
    assert found["bytes"] == 50
    noticed, delay, false = detection(RUN, "alarm_x")
    assert (noticed, delay, false) == (0.5, 40, pytest.approx(100 / 6))


def test_a_change_that_takes_steps_is_one_by_hand() -> None:
    """It begins at the second step and ends at the fourth; an alarm at the third notices it."""
    run = RUN[RUN.node == "a"].assign(
        changed=[False, True, True, True, False],
        accuracy=[0.9, 0.8, 0.6, 0.7, 0.88],
        alarm=[False, False, True, False, True],
        alarm_x=[np.nan, np.nan, 30, 5, 9],
    )
    found = summary(run)
    assert found["recovery"] == 3
    assert found["detected"] == 1
    assert found["false_alarms"] == 0
    assert detection(run, "alarm_x") == (1, 130, 0)


def test_area_gap_and_interval_by_hand() -> None:
    oracle = RUN.assign(accuracy=1.0)
    assert area_lost(RUN, oracle) == pytest.approx((0.1 + 0.7 + 0.12 + 0.4 + 0.15) / 2)
    assert gap_closed(0.95, 0.9, 1.0) == pytest.approx(0.5)
    assert np.isnan(gap_closed(0.95, 1.0, 0.9))
    found = interval([1.0, 2.0, 3.0])  # t of 2 degrees of freedom is 4.3027
    assert found.high - found.value == pytest.approx(4.3027 / np.sqrt(3), abs=1e-4)
    assert np.isnan(interval([1.0]).low)
    assert np.isnan(interval([np.nan]).value)


@pytest.mark.parametrize("name", list(DETECTORS))
def test_every_detector_notices_errors_that_rise_from_a_tenth_to_a_half(name: str) -> None:
    rng, noticed = np.random.default_rng(2), []
    for _ in range(10):
        detector = DETECTORS[name]()
        first_alarm(detector, (rng.random(1000) < 0.1).astype(float))
        noticed.append(first_alarm(detector, (rng.random(1000) < 0.5).astype(float)))
    assert np.isfinite(noticed).mean() >= 0.8
    if name != "eddm":  # the false alarms of EDDM come before the change
        assert np.nanmedian(noticed) < 200

"""What drifted at a node: feature, devices and patients, from rows by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from flame.streams.arrivals import (
    ALARMS,
    DEVICES,
    LOCAL,
    NEW_DEVICES,
    SUBJECTS,
    Arrivals,
    ArrivalWatch,
    joined,
)
from flame.streams.shift_watch import AlarmConfig


def rows(level: float, device: str, first: int, seed: int) -> Arrivals:
    x = np.random.default_rng(seed).normal([level, 0], 1, (20, 2))
    subject = np.array([f"p{first + k}" for k in range(20)])
    return Arrivals(x, np.full(20, device), subject)


def test_an_alarm_names_feature_devices_and_patients() -> None:
    watch = ArrivalWatch("basel", ["FLAIR mean", "age"], AlarmConfig(run_length=20))
    for step, (level, device) in enumerate([(0, "A"), (0, "A"), (4, "B"), (4, "B")]):
        watch.see(step, rows(level, device, 20 * step, step))
    (alarm,) = watch.alarms.to_dict("records")
    assert (alarm["step"], alarm["since"], alarm["node"]) == (2, 2, "basel")
    assert (alarm["feature"], alarm[DEVICES], alarm["new"]) == ("FLAIR mean", "B", 1)
    assert (alarm["rows_before"], alarm["rows"]) == (40, 20)
    assert alarm[SUBJECTS].split()[:2] == ["p40", "p41"]
    assert len(alarm[SUBJECTS].split()) == 20


def test_a_new_device_is_told_once_also_where_nothing_moved() -> None:
    """In step 2 half of the 20 patients are of device B, with the same values as those before."""
    watch = ArrivalWatch("basel", ["FLAIR mean", "age"], AlarmConfig(run_length=1000))
    for step in range(4):
        now = rows(0, "A", 20 * step, 0)
        device = np.where(np.arange(20) % 2 == 0, "B" if step > 1 else "A", "A")
        watch.see(step, replace(now, device=device))
    (alarm,) = watch.alarms.to_dict("records")
    assert (alarm["step"], alarm["since"], alarm["feature"], alarm["new"]) == (2, 2, "", 1)
    assert (alarm["rows_before"], alarm["rows"], alarm[DEVICES]) == (40, 10, "B")
    assert alarm[SUBJECTS].split()[:2] == ["p40", "p42"]
    assert np.isnan(alarm["p"])


def test_patients_behind_a_mean_are_counted_where_the_value_is_known() -> None:
    """Of 20 rows of the last step one value is known; those before are of two patients."""
    watch = ArrivalWatch("basel", ["NIHSS"], AlarmConfig(run_length=20))
    for step in range(5):
        x = np.random.default_rng(step).normal(10, 1, (20, 1))
        if step == 4:
            x[1:] = np.nan
        patients = np.array([f"p{k % 2}" for k in range(20)])
        watch.see(step, Arrivals(x, np.full(20, ""), patients))
    (alarm,) = watch.alarms.to_dict("records")
    assert (alarm["rows_before"], alarm["known_before"]) == (80, 2)
    assert (alarm["rows"], alarm["known"]) == (20, 1)


def test_a_new_device_is_named_beside_another_one_that_moves() -> None:
    watch = ArrivalWatch("basel", ["FLAIR mean", "age"], AlarmConfig(run_length=20))
    for step in range(3):
        now = rows(9 if step == 2 else 0, "A", 20 * step, step)
        device = np.where(np.arange(20) == 0, "B", "A") if step == 2 else now.device
        watch.see(step, replace(now, device=device))
    (alarm,) = watch.alarms.to_dict("records")
    assert alarm[NEW_DEVICES] == "B"
    assert "A" in alarm[DEVICES]


def test_a_feature_that_is_no_longer_filled_in_is_an_alarm() -> None:
    watch = ArrivalWatch("basel", ["age"], AlarmConfig(run_length=20))
    for step in range(4):
        x = np.random.default_rng(step).normal(60, 9, (20, 1))
        watch.see(step, Arrivals.of(x if step < 3 else np.full_like(x, np.nan)))
    (alarm,) = watch.alarms.to_dict("records")
    assert alarm["step"] == 3
    assert abs(alarm["before"] - 60) < 5
    assert np.isnan(alarm["after"])


def test_images_are_rows_of_pixels_and_tables_without_alarms_can_be_joined() -> None:
    assert Arrivals.of(np.zeros((5, 8, 8))).x.shape == (5, 64)
    assert Arrivals.of(np.zeros((5, 1))).at(np.array([1, 2])).x.shape == (2, 1)
    none = ArrivalWatch("a", ["x"], AlarmConfig()).alarms
    assert list(joined([none, none]).columns) == [*ALARMS]
    assert list(none.columns) == [*ALARMS, *LOCAL]
    one = pd.DataFrame([{**dict.fromkeys(ALARMS, 1), DEVICES: "", SUBJECTS: "p"}])
    assert len(joined([none, one, none])) == 1

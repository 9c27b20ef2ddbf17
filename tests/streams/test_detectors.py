"""What detectors can see without labels, and what they cannot."""

from dataclasses import replace

import numpy as np
import pytest

from flame.streams.changes import detection
from flame.streams.detectors import label_free
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Stream


def stream(drift: str) -> Stream:
    plan = plan_of(ScheduleConfig(nodes=3, steps=6, at=(3,), order=(0, 1)), None, 0)
    return synthetic_stream(SyntheticConfig("sine", 300, drift=drift), plan, 0)


def test_features_show_covariate_drift_and_no_change_of_concept() -> None:
    moved, turned = (label_free(stream(drift), ["adwin"]) for drift in ("covariate", "concept"))
    assert moved[["changed", "rows"]].equals(turned[["changed", "rows"]])
    assert len(moved) == 5 * 3
    assert moved.changed.sum() == 3
    assert detection(moved, "alarm_adwin")[0] == 1.0
    assert detection(turned, "alarm_adwin")[0] == 0.0


def test_the_first_feature_that_alarms_counts() -> None:
    found = stream("concept")
    batches = [replace(batch, x=batch.x.copy()) for batch in found.batches]
    for batch in batches[3:]:
        batch.x[0, :, 1] += 5  # one feature of one node jumps
    changed = replace(found, batches=tuple(batches))
    rows = label_free(changed, ["adwin"])
    alarmed = np.flatnonzero(rows.alarm_adwin.notna())
    assert alarmed[0] == 2 * 3  # node 0 of the third step that is reported
    assert rows.alarm_adwin[alarmed[0]] < 100


@pytest.mark.parametrize("name", ["ddm", "hddm-w"])
def test_detectors_of_errors_are_not_shown_features(name: str) -> None:
    assert f"alarm_{name}" not in label_free(stream("concept"), [name])

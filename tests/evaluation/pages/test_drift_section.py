"""The section on drift, from alarms by hand."""

import numpy as np
import pandas as pd

from flame.evaluation.pages.drift_section import drift_note, drift_section
from flame.streams.arrivals import ALARMS
from flame.streams.shift_watch import AlarmConfig

ALARM = {
    "step": 6,
    "node": "basel",
    "since": 5,
    "rows_before": 90,
    "rows": 41,
    "feature": "FLAIR mean",
    "before": 1.0,
    "after": np.nan,
    "p": 1e-9,
    "new": 1,
    "devices": "B",
    "new_devices": "B",
    "subjects": "sub-1 sub-2",
}


def steps(alarm: float) -> pd.DataFrame:
    """Accuracy 0.8 up to step 4 and 0.6 from step 5 on."""
    return pd.DataFrame(
        {
            "method": "local",
            "seed": 0,
            "step": step,
            "node": "basel",
            "rows": 20,
            "alarm": alarm if step == 6 else 0.0,
            "accuracy": 0.8 if step < 5 else 0.6,
        }
        for step in range(1, 9)
    )


def test_an_alarm_says_since_when_where_what_who_and_what_it_costs() -> None:
    section = drift_section(pd.DataFrame([ALARM]), steps(0), "note")
    (row,) = section.rows
    assert dict(zip(section.columns, row, strict=True)) == {
        "noticed in step": "6",
        "node": "basel",
        "since step": "5",
        "by": "features",
        "what": "FLAIR mean: mean 1 to missing",
        "devices": "B (new here)",
        "rows": "41",
        "patients": "sub-1, sub-2",
        "accuracy before and after, %": "local 80.0 to 60.0",
    }


def test_what_a_site_keeps_is_empty_and_alarms_by_labels_stand_beside() -> None:
    sent = pd.DataFrame([ALARM])[[*ALARMS]]
    section = drift_section(sent, steps(1), "note")
    first, second = (dict(zip(section.columns, row, strict=True)) for row in section.rows)
    assert (first["rows"], first["what"]) == ("", "FLAIR mean")
    assert first["devices"] == "a device (new here)"
    assert (second["by"], second["since step"]) == ("labels, local", "6")
    assert second["accuracy before and after, %"] == "local 73.3 to 60.0"
    assert "patients" not in first


def test_a_new_device_is_told_where_no_feature_moved() -> None:
    new = {**ALARM, "feature": np.nan, "before": np.nan, "p": np.nan}  # as read from a file
    section = drift_section(pd.DataFrame([new]), pd.DataFrame(), "note")
    (row,) = (dict(zip(section.columns, row, strict=True)) for row in section.rows)
    assert (row["by"], row["what"]) == ("a device never seen before", "no feature moved")
    assert row["devices"] == "B (new here)"


def test_a_new_device_is_told_apart_from_the_one_that_moved() -> None:
    section = drift_section(pd.DataFrame([{**ALARM, "devices": "A"}]), pd.DataFrame(), "note")
    (row,) = (dict(zip(section.columns, row, strict=True)) for row in section.rows)
    assert row["devices"] == "A; B (new here)"


def test_no_alarm_is_said_and_how_many_false_ones_are_expected() -> None:
    section = drift_section(pd.DataFrame([ALARM])[:0], steps(0), "note.")
    assert (section.note, list(section.rows)) == ("note. No drift was seen.", [])
    assert "1.2 in 60 steps here" in drift_note(AlarmConfig(run_length=50), nodes=4, steps=16)


def test_a_long_list_is_cut() -> None:
    many = pd.DataFrame([{**ALARM, "step": step} for step in range(50)])
    section = drift_section(many, pd.DataFrame(), "note.")
    assert len(section.rows) == 40
    assert "The first 40 of 50" in section.note

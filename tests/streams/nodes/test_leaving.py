"""What a policy keeps at a site: methods, figures of few rows, and lines of the audit log."""

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import Refusal
from flame.federation.privacy.site_policy import SitePolicy
from flame.streams.arrivals import ALARMS
from flame.streams.methods import KNOWN
from flame.streams.nodes.leaving import Leaving
from flame.streams.stream import padded


@pytest.mark.parametrize(
    ("policy", "method", "why"),
    [
        (SitePolicy(), "gossip", "peers = true"),
        (SitePolicy(peers=True, evidence=False), "evidence-gossip", "no evidence"),
        (SitePolicy(secure=True), "fedavg", "under masks"),
        (SitePolicy(epsilon=1.0), "fedavg", "differential privacy"),
        (SitePolicy(learners=("response",)), "local", "does not list 'stream'"),
    ],
)
def test_a_policy_refuses_what_a_method_would_send(
    policy: SitePolicy, method: str, why: str
) -> None:
    with pytest.raises(Refusal, match=why):
        Leaving(policy, lambda _: None).check(KNOWN[method])


def test_what_sends_nothing_needs_no_permission() -> None:
    strict = SitePolicy(secure=True, epsilon=1.0, evidence=False)
    Leaving(strict, lambda _: None).check(KNOWN["local"])
    Leaving(SitePolicy(learners=("stream",), peers=True), lambda _: None).check(KNOWN["gossip"])
    Leaving(None, lambda _: None).check(KNOWN["evidence-gossip"])


def test_the_log_says_what_goes_to_whom_before_it_goes() -> None:
    lines: list[str] = []
    x, y = np.zeros((7, 1)), np.zeros(7, np.int64)
    batch = padded([(x, y, y)], (1,))
    leaving = Leaving(SitePolicy(peers=True), lines.append)
    leaving.note("mine", KNOWN["evidence-gossip"], 3, batch, ["a", "b"])
    assert "evidence" in lines[0]
    assert "step 3 of mine, learned from 7 further rows" in lines[0]
    assert lines[0].endswith("to a, b")
    leaving.note("local", KNOWN["local"], 3, batch, [])
    leaving.note("mine", KNOWN["gossip-ifca"], 3, batch, ["a"])
    assert lines[1:] == [
        "models, and which of several each of them is, in the rounds of step 3 of mine, learned "
        "from 7 further rows and those before, to a"
    ]


def test_figures_of_few_rows_or_of_a_rare_class_stay() -> None:
    rows = pd.DataFrame(
        {
            "step": [1, 2, 3],
            "node": ["a"] * 3,
            "rows": [14, 4, 30],
            "accuracy": [1.0, 0.5, 0.9],
            "earlier": [0.5, 0.5, 0.5],
            "true_0": [7, 2, 28],
            "true_1": [7, 2, 2],
            "right_0": [7, 1, 28],
            "right_1": [7, 1, 1],
            "gradients": [1400.0, 400.0, 3000.0],
            "alarm_adwin": [3.0, 1.0, 2.0],
            "moved": [0.1, 0.1, 0.1],
        }
    )
    shown = Leaving(SitePolicy(least_patients=5), lambda _: None).suppressed(rows)
    assert shown["rows"].tolist() == [14, 0, 30]
    # The accuracy of the trivial rule tells how frequent a class is.
    for column in ("accuracy", "true_1", "right_1"):
        kept = [rows[column][0], np.nan, np.nan]
        assert shown[column].tolist() == pytest.approx(kept, nan_ok=True)
    assert shown.earlier.isna().all()  # two means tell the batch between them
    assert shown.gradients.isna().all()  # a multiple of the rows
    assert shown.alarm_adwin.isna().all()  # the place of a single row
    assert shown.moved.tolist() == [0.1] * 3


def test_rows_of_a_class_count_as_patients_that_they_are_of_for_certain() -> None:
    """Six rows of a class can be of one patient where a patient has six rows."""
    rows = pd.DataFrame(
        {"step": [1, 2], "node": "a", "rows": [26, 26], "accuracy": [0.8, 0.8]}
        | {"true_0": [20, 20], "true_1": [6, 6], "right_0": [20, 20], "right_1": [6, 6]}
        | {"most_of_a_patient": [1, 6]}
    )
    shown = Leaving(SitePolicy(least_patients=5), lambda _: None).suppressed(rows)
    for column in ("accuracy", "true_1", "right_1"):
        assert shown[column].notna().tolist() == [True, False]
    assert "most_of_a_patient" not in shown


def test_figures_leave_after_a_line_of_the_log_and_where_the_policy_lists_them() -> None:
    lines: list[str] = []
    Leaving(SitePolicy(queries=("figures",)), lines.append).figures()
    assert lines[0].startswith("tables with accuracy")
    with pytest.raises(Refusal, match="does not list 'figures'"):
        Leaving(SitePolicy(queries=("moments",)), lines.append).figures()


def test_alarms_leave_without_numbers_devices_and_patients_and_of_enough_patients() -> None:
    common = {"node": "a", "feature": "age", "p": "0.001", "new": "1", "since": "2"}
    own = {"devices": "B", "new_devices": "B", "subjects": "sub-1", "known_before": "40"}
    numbers = {"before": "1.5", "after": "2.5", "rows_before": "40", "rows": "12", **own}
    alarm = {**common, **numbers, "known": "12", "known_new": "12"}
    rows = pd.DataFrame(
        [
            {**alarm, "step": "3"},
            {**alarm, "step": "9", "known": "4"},  # of 4 patients, or values
            {**alarm, "step": "10", "known": "4", "feature": ""},  # a new device of 4
            {**alarm, "step": "11", "known_new": "1"},  # 12 patients, of whom 1 has a new device
            {**alarm, "step": "12", "known_new": "1", "feature": ""},  # 12 devices of 1 each
            {**alarm, "step": "13", "feature": ""},
        ]
    )
    shown = Leaving(SitePolicy(least_patients=5), lambda _: None).alarms(rows)
    assert list(shown.columns) == [*ALARMS]
    assert shown.step.tolist() == ["3", "11", "13"]
    assert shown.new.tolist() == [1, 0, 1]
    # Two alarms in a row would tell the values of the rows between them.
    assert not {"before", "after", "rows_before", "rows", "p"} & {*shown.columns}

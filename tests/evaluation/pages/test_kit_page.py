"""The dashboard of a kit, from messages and files by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from flame.evaluation.pages.kit_page import Told, server_page, site_page
from flame.federation.privacy.budget import Spent, epsilon
from flame.federation.privacy.site_policy import SitePolicy
from flame.streams.arrivals import Arrivals, ArrivalWatch
from flame.streams.shift_watch import AlarmConfig
from tests.evaluation.pages.test_training_page import cells


def told(*texts: str) -> list[Told]:
    return [Told(f"08:0{number}", text) for number, text in enumerate(texts)]


def test_sites_have_their_latest_state(tmp_path: Path) -> None:
    messages = told(
        "the server is up", "b joined", "a joined", "a is gone", "refused: c is revoked"
    )
    html = server_page(tmp_path / "server", messages, 5)
    assert cells(html, "sites") == ["a", "is gone", "08:03", "b", "joined", "08:01"]
    assert "Connected: b." in html
    assert "refused: c is revoked" in html
    assert "Load this page again every 5 s" in html
    assert "simulated" not in html
    assert "src=" not in html


def test_runs_with_their_progress_and_faults(tmp_path: Path) -> None:
    run = tmp_path / "flame-runs" / "cnn"
    run.mkdir(parents=True)
    (run / "progress.json").write_text("[3, 10]")
    (run / "flare-error.json").write_text(
        json.dumps({"why": "site <b> was silent", "final": False})
    )
    (run / "history.csv").write_text(
        "training,round,round_seconds,site,patients,loss,seconds,lost\nfederated,2,1,a,9,0.5,1,\n"
    )
    html = server_page(tmp_path, [], 5)
    expected = ["cnn", "3 of 10", "federated, round 2: loss a 0.500", "site &lt;b&gt; was silent"]
    assert cells(html, "runs") == expected
    assert '<a href="runs/cnn">cnn</a>' in html
    assert "Connected: no site." in html


def test_a_hospital_sees_what_left_and_what_was_spent(tmp_path: Path) -> None:
    (tmp_path / "sent.log").write_text(
        "2026-12-01T08:00:00+00:00 sums in reply to 'moments' (6 numbers, 0.5 kB)\n"
        "2026-12-01T08:00:09+00:00 weights after round 1 (90 numbers, 1.2 kB)\n"
    )
    (tmp_path / "runs.json").write_text('["x", "y"]')
    steps = {"round 1": {"noise": 2.0, "steps": 4, "size": 0, "patients": 0}}
    (tmp_path / "budget.json").write_text(json.dumps(steps))
    policy = SitePolicy(least_patients=7, epsilon=6.0)
    html = site_page(tmp_path, told("connected", "sent: weights"), policy, "12 patients.", 5)
    assert "2 entries of sent.log; those with a size, 0.1 kB or more, have 1.7 kB in all" in html
    assert "Latest: connected." in html
    assert "fewer than 7 patients" in html
    spent = epsilon([Spent(2.0, 4)], policy.delta)
    assert spent == pytest.approx(4.73, abs=0.005)  # as in the documentation of ``epsilon``
    ledger = cells(html, "ledger")
    assert ledger[:3] == ["jobs that were answered", "2", "200"]
    assert ledger[-3:] == ["epsilon", "4.73", "6"]
    assert cells(html, "sent")[1].startswith("weights after round 1")


def test_a_hospital_sees_the_drift_of_its_newest_stream_with_patients(tmp_path: Path) -> None:
    folder = tmp_path / "flame-runs" / "winter"
    folder.mkdir(parents=True)
    watch = ArrivalWatch("basel", ["age"], AlarmConfig(run_length=20))
    for step in range(3):
        x = 50.5 + np.arange(20.0)[:, None] + 40 * (step == 2)
        watch.see(step, Arrivals(x, np.full(20, "B"), np.array([f"sub-{k}" for k in range(20)])))
    watch.alarms.to_csv(folder / "drift.csv", index=False)
    html = site_page(tmp_path, told("connected"), SitePolicy(), "12 patients.", 5)
    assert "the newest stream, winter" in html
    assert "sub-19" in html
    assert cells(html, "seen")[:5] == ["2", "basel", "2", "features", "age: mean 60 to 100"]

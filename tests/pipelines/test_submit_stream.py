"""Tables that sites have sent: joined, checked, and never more than policies show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.config import load_config
from flame.core.errors import BadInput, FlameError
from flame.pipelines import submit_stream
from flame.pipelines.stream import SUMMARY
from flame.streams.arrivals import ALARMS, Arrivals, ArrivalWatch
from flame.streams.config import StreamConfig, frame_at_sites
from flame.streams.shift_watch import AlarmConfig

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "stream_sites.toml"


def config() -> StreamConfig:
    found = load_config(StreamConfig, EXAMPLE, ["compare=['local']", "sites.steps=4"])
    return replace(found, sites=replace(found.sites, names=("a", "b")))


def sent(out: Path, site: str, accuracy: float = 0.75, node: str = "") -> None:
    for method in ("local", "majority"):
        rows = pd.DataFrame(
            {
                "step": [1, 2, 3],
                "node": node or site,
                "concept": -1,
                "changed": False,
                "rows": 20,
                "accuracy": accuracy,
                "earlier": [np.nan, accuracy, accuracy],
                "alarm_adwin": np.nan,
                "alarm_page-hinkley": np.nan,
                "bytes": 0.0,
                "gradients": np.nan,
                "held": 100.0,
                "moved": 0.1,
                "divergence": np.nan,
                "consensus": np.nan,
                "alarm": np.nan,
                **{f"{kind}_{k}": 10.0 for kind in ("true", "predicted", "right") for k in (0, 1)},
                "pairs": 100.0,
                "ordered": 50.0,
            }
        )
        path = out / "results" / site / f"{method}.seed-0.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(path, index=False)


def test_a_site_speaks_of_itself_alone(tmp_path: Path) -> None:
    sent(tmp_path, "a", 0.5)
    sent(tmp_path, "b", 1.0, node="a")
    page = submit_stream.write_results(config(), frame_at_sites(config()), tmp_path)
    rows = pd.read_csv(tmp_path / "steps" / "local.seed-0.csv")
    assert rows.groupby("node").accuracy.mean().to_dict() == {"a": 0.5, "b": 1.0}
    assert "classes: other, 1" in page.read_text()
    summary = pd.read_csv(tmp_path / SUMMARY).set_index(["method", "figure"]).value
    assert summary["local", "accuracy"] == 0.75


def test_steps_that_policies_hide_leave_a_page_of_drift_alone(tmp_path: Path) -> None:
    for site in ("a", "b"):
        sent(tmp_path, site, np.nan)
    with pytest.raises(FlameError, match="No site shows figures"):
        submit_stream.write_results(config(), frame_at_sites(config()), tmp_path)
    watch = ArrivalWatch("b", ["age"], AlarmConfig())
    calm = tmp_path / "results" / "a" / "drift.csv"
    watch.alarms[list(ALARMS)].to_csv(calm, index=False)
    page = submit_stream.write_results(config(), frame_at_sites(config()), tmp_path).read_text()
    assert "A site tells no drift of fewer patients than its policy asks for." in page
    assert "No drift was seen" in page
    for step, device in enumerate(("old", "new")):
        watch.see(step, Arrivals(np.zeros((4, 1)), np.full(4, device), np.full(4, "")))
    watch.alarms[list(ALARMS)].to_csv(tmp_path / "results" / "b" / "drift.csv", index=False)
    page = submit_stream.write_results(config(), frame_at_sites(config()), tmp_path).read_text()
    assert "a device never seen before" in page
    assert "No site shows figures" in page
    assert "Accuracy over time" not in page


@pytest.mark.parametrize("text", ["", "step,node\n1,a\n", "step,rows,accuracy,moved\nx,1,1,1\n"])
def test_a_table_of_another_kind_is_an_error(tmp_path: Path, text: str) -> None:
    sent(tmp_path, "a")
    (tmp_path / "results" / "a" / "local.seed-0.csv").write_text(text)
    with pytest.raises(FlameError, match="ask its site"):
        submit_stream.write_results(config(), frame_at_sites(config()), tmp_path)


def test_methods_that_need_one_process_are_refused_by_name() -> None:
    wrong = replace(config(), compare=("reset-and-gate",))
    with pytest.raises(BadInput, match="reset-and-gate"):
        submit_stream.checked(wrong)

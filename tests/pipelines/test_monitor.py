"""The page of a run as it goes: rounds, sites that were lost, TensorBoard's curves."""

import re
from pathlib import Path

import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.history import add_history, read_history
from flame.pipelines import monitor, train


def test_a_run_that_has_just_begun(toy: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is no run folder .*take one in KIT/flame-runs"):
        monitor.run(tmp_path)
    train.run(toy, tmp_path / "run")
    for path in [*(tmp_path / "run" / "models").iterdir(), tmp_path / "run" / "history.csv"]:
        path.unlink()
    with pytest.raises(BadInput, match="no round is done yet"):
        monitor.run(tmp_path / "run")
    told = {"training": "federated.seed-0.all", "round": 1, "round_seconds": 5.0}
    add_history(
        tmp_path / "run",
        [
            {**told, "site": "a", "patients": 30, "loss": 0.5, "seconds": 1.0, "lost": ""},
            {**told, "site": "b", "patients": 0, "loss": None, "lost": "was silent for 5 s"},
        ],
    )
    result = monitor.run(tmp_path / "run")
    text = result.html.read_text()
    sites = re.search(r'id="sites-table".*?</table>', text, re.DOTALL)
    assert sites is not None
    cells = re.findall(r"<td>(.*?)</td>", sites.group())
    assert cells == ["a", "1", "0", "", "30", "1.000", "b", "0", "1", "was silent for 5 s", "", ""]
    assert "1 have begun" in text
    assert "<svg" in text
    assert not re.search(r'(src|href)="http', text)


def test_tensorboard_reads_what_the_history_says(toy: TrainConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = tmp_path / "run"
    train.run(toy, run)
    monitor.run(run, tensorboard=True)
    monitor.run(run, tensorboard=True)
    history = read_history(run)
    for name, part in history.groupby("training"):
        folder = run / "tensorboard" / str(name)
        assert len(list(folder.iterdir())) == 1
        read = EventAccumulator(str(folder))
        read.Reload()
        for site, rows in part.groupby("site"):
            events = read.Tensors(f"loss/{site}")
            assert [e.step for e in events] == rows["round"].tolist()
            told = [float(make_ndarray(e.tensor_proto)) for e in events]
            pd.testing.assert_series_equal(
                pd.Series(told), rows.loss.reset_index(drop=True), check_names=False, rtol=1e-6
            )

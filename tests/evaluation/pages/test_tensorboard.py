"""TensorBoard's own reader finds in the event files what the history has."""

from pathlib import Path

import pandas as pd
import pytest

from flame.evaluation.pages.tensorboard import FOLDER, export

ROWS = pd.DataFrame(
    {
        "training": "federated.seed-0.all",
        "round": [1, 1, 2, 2],
        "site": ["a", "b", "a", "b"],
        "loss": [0.9, 0.8, 0.5, None],
        "seconds": [1.0, 2.0, 1.5, 2.5],
    }
)


def test_tensorboard_reads_what_the_history_has(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    export(ROWS, tmp_path)
    export(ROWS, tmp_path)
    folder = tmp_path / FOLDER / "federated.seed-0.all"
    assert len(list(folder.iterdir())) == 1  # of the second export alone
    read = EventAccumulator(str(folder))
    read.Reload()
    for site, expected in (("a", [(1, 0.9), (2, 0.5)]), ("b", [(1, 0.8)])):
        events = read.Tensors(f"loss/{site}")
        values = [float(make_ndarray(event.tensor_proto)) for event in events]
        assert [event.step for event in events] == [step for step, _ in expected]
        assert values == pytest.approx([value for _, value in expected], rel=1e-6)

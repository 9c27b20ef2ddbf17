"""The history of a run while it goes on: from checkpoints, and as the server tells it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from flame.federation.config import TrainConfig
from flame.federation.history import add_history, in_a_line, read_history, write_history
from flame.pipelines import train


def row(number: int, site: str, loss: float | None = 0.5, lost: str = "") -> dict[str, object]:
    return {
        "training": "federated.seed-0.all",
        "round": number,
        "site": site,
        "loss": loss,
        "patients": 3,
        "seconds": 0.1,
        "round_seconds": 0.2,
        "lost": lost,
    }


def test_what_is_told_again_is_written_once(tmp_path: Path) -> None:
    add_history(tmp_path, [row(1, "a"), row(1, "b")])
    add_history(tmp_path, [row(1, "b"), row(2, "a"), row(2, "b", None, "was silent for 5 s")])
    found = read_history(tmp_path)
    assert list(zip(found["round"], found.site, strict=True)) == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
    ]
    assert found.lost.iloc[-1] == "was silent for 5 s"
    assert read_history(tmp_path / "empty").empty


def test_a_run_without_its_table_is_read_from_its_checkpoints(
    toy: TrainConfig, tmp_path: Path
) -> None:
    train.run(toy, tmp_path / "run")
    written = pd.read_csv(tmp_path / "run" / "history.csv")
    (tmp_path / "run" / "history.csv").unlink()
    assert len(write_history(tmp_path / "run")) == len(written)
    again = pd.read_csv(tmp_path / "run" / "history.csv")
    pd.testing.assert_frame_equal(again, written)
    # Rounds times sites of each training: federated of two, local and pooled of one.
    rounds = again.groupby("training").size()
    assert rounds["federated.seed-0.all"] == 2 * toy.training.rounds
    assert rounds["pooled.seed-0.all"] == toy.training.rounds
    assert len(read_history(tmp_path / "run")) == len(written)


def test_centres_may_have_numbers_for_names(tmp_path: Path) -> None:
    for _ in range(2):
        add_history(tmp_path, [row(1, "01"), row(1, "NA"), row(1, "1")])
    assert read_history(tmp_path).site.tolist() == ["01", "NA", "1"]
    (tmp_path / "history.csv").write_text("\n")
    assert read_history(tmp_path).empty


def test_the_last_round_in_a_line() -> None:
    assert in_a_line([]) == ""
    rows = [row(1, "a"), row(2, "a", 0.25), row(2, "b", None, "is still silent")]
    assert in_a_line([row(1, "a", None)]) == "federated.seed-0.all, round 1: loss a not sent"
    assert in_a_line(rows) == "federated.seed-0.all, round 2: loss a 0.250, b is still silent"


def test_losses_of_validation_are_kept(toy: TrainConfig, tmp_path: Path) -> None:
    training = replace(toy.training, validation=4)
    train.run(replace(toy, training=training), tmp_path / "run")
    assert read_history(tmp_path / "run").validation.notna().all()

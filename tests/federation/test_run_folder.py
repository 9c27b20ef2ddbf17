"""A run folder is claimed once, by one configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.tasks.cohorts import load_cohort


def test_a_claimed_folder_gives_its_configuration_back(toy: TrainConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    config = replace(toy, data=replace(toy.data, centres=("a", "b")))
    cohorts = [load_cohort(config, c) for c in "ab"]
    folder.claim(config, cohorts)
    folder.claim(config, cohorts)  # again, it is the same run
    assert folder.config() == config
    with pytest.raises(BadInput, match="another configuration"):
        folder.claim(toy, cohorts)
    with pytest.raises(BadInput, match="the data changed since training began"):
        folder.claim(config, cohorts[:1])


def test_a_name_is_kept_and_unlike_others(toy: TrainConfig, tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    name = one.claim_name(toy)
    assert one.claim_name(toy) == name
    assert other.claim_name(toy) != name


def test_a_run_of_flame_train_is_no_run_of_flame_submit(toy: TrainConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(toy, [])
    with pytest.raises(BadInput, match="holds a run of flame train"):
        folder.claim_name(toy)


def test_other_files_are_not_touched(toy: TrainConfig, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(BadInput, match="is not empty and holds no run"):
        RunFolder(folder).claim(toy, [])
    assert [p.name for p in folder.iterdir()] == ["letter.txt"]

"""A run folder is claimed once, by one configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from flame.core.errors import BadInput, FlameError
from flame.federation import run_files, run_folder
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


def test_what_a_killed_claim_leaves_can_be_claimed(toy: TrainConfig, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("data.json", "plugins.json", ".lock"):
        (folder / name).write_text("")
    RunFolder(folder).claim(toy, [])
    assert RunFolder(folder).config() == toy


def test_a_changed_plugin_is_another_run(
    toy: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr(run_folder, "plugin_hashes", lambda: {"a.py": "1"})
    folder.claim(toy, [])
    monkeypatch.setattr(run_folder, "plugin_hashes", lambda: {"a.py": "1", "b.py": "9"})
    folder.claim(toy, [])  # one more, such as a metric, changes no training
    monkeypatch.setattr(run_folder, "plugin_hashes", lambda: {"a.py": "2"})
    with pytest.raises(BadInput, match=r"the plug-in a\.py changed since the run began"):
        folder.claim(toy, [])


def test_a_lost_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(FlameError, match=r"data\.json is absent or damaged"):
        RunFolder(tmp_path).sources()


def test_a_run_goes_on_with_more_rounds_or_sites_alone(toy: TrainConfig, tmp_path: Path) -> None:
    toy = replace(toy, data=replace(toy.data, centres=("a", "b")))
    folder = RunFolder(tmp_path / "run")
    name = folder.claim_name(toy)
    longer = replace(toy, training=replace(toy.training, rounds=9))
    with pytest.raises(BadInput, match="another configuration"):
        folder.claim_name(longer)
    assert folder.claim_name(longer, further=True) == name
    assert folder.config().training.rounds == 9
    assert (
        folder.claim_name(longer, further=True) == name
    )  # the same command, after an interruption
    with pytest.raises(BadInput, match="had 9 rounds with a, b; it can go on with no fewer"):
        folder.claim_name(toy, further=True)
    wider = replace(longer, data=replace(longer.data, centres=("a", "b", "c")))
    with pytest.raises(BadInput, match="set training.rounds above 9"):  # c would learn nothing
        folder.claim_name(wider, further=True)
    wider = replace(wider, training=replace(wider.training, rounds=12))
    stopping = replace(wider, training=replace(wider.training, validation=4))
    with pytest.raises(BadInput, match="leave everything else as it was"):
        folder.claim_name(stopping, further=True)
    assert folder.claim_name(wider, further=True) == name
    other = replace(wider, training=replace(wider.training, learning_rate=0.7))
    with pytest.raises(BadInput, match="leave everything else as it was"):
        folder.claim_name(other, further=True)
    with pytest.raises(BadInput, match="is not a run folder"):
        RunFolder(tmp_path / "none").claim_name(toy, further=True)


def test_a_run_of_a_stream_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / run_files.CONFIG).write_text("compare = []\n")
    (tmp_path / run_files.STREAM_PAGE).write_text("page")
    with pytest.raises(BadInput, match=r"is a run of flame stream: open .*stream\.html"):
        RunFolder(tmp_path).config()

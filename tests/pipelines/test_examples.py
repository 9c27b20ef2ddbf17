"""Examples and documentation are found, and copied into a new folder only."""

from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.pipelines import examples

ROOT = Path(__file__).resolve().parents[2]


def test_every_example_and_page_is_copied(tmp_path: Path) -> None:
    copied = examples.run(tmp_path / "out")
    assert [p.name for p in copied] == sorted(p.name for p in (ROOT / "examples").glob("*.toml"))
    for page in ("index.md", "tutorials/own-dicom-folders.md", "reference/configuration.md"):
        assert (tmp_path / "out" / "docs" / page).read_text() == (ROOT / "docs" / page).read_text()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(BadInput, match="is not empty; give a new folder"):
        examples.run(tmp_path)


def test_an_installation_has_them_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "__file__", str(tmp_path / "flame" / "pipelines" / "examples.py"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    with pytest.raises(BadInput, match="no examples in"):
        examples.source()
    share = tmp_path / "venv" / "share" / "flame"
    (share / "examples").mkdir(parents=True)
    (share / "examples" / "gbm_table.toml").write_text("")
    assert examples.source() == share

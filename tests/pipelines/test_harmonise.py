"""Landmarks over centres on disk, and ComBat on a table, against pooled data."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.bids import read_timepoint
from flame.pipelines.harmonise import fit_landmarks, harmonise_table
from flame.pipelines.preprocess import run
from flame.preprocessing.cohort.cohort import sessions
from flame.preprocessing.config import StageConfig
from flame.preprocessing.stages.nyul import PERCENTILES, read_scales
from tests.helpers.preprocess_config import preprocess_config


def test_landmarks_are_the_mean_over_all_images_and_preprocessing_uses_them(
    derivatives: Path, copied: Path
) -> None:
    root = copied / "centres"
    for name in ("a", "b"):
        shutil.copytree(derivatives, root / name)
    result = fit_landmarks(root, copied / "landmarks.json")
    assert [row[0] for row in result.rows] == ["a", "b"]
    assert "2 T1C" in result.rows[0][1]
    (folder,) = derivatives.glob("sub-*")
    subject = folder.name.removeprefix("sub-")
    each = []
    for session, day in sessions(derivatives, subject):
        timepoint = read_timepoint(derivatives, subject, session, day)
        inside = timepoint.scans[Sequence.T1C].voxels[timepoint.brain.voxels > 0]
        found = np.percentile(inside.astype(float), PERCENTILES)
        each.append(100 * (found - found[0]) / (found[-1] - found[0]))
    scale = read_scales(copied / "landmarks.json")[Sequence.T1C]
    assert scale == pytest.approx(np.mean(each, axis=0), abs=1e-9)
    stages = StageConfig(spacing=3.0, intensity="nyul", landmarks=str(copied / "landmarks.json"))
    run(preprocess_config(copied, copied / "bids", stages=stages))
    new = read_timepoint(copied / "bids", subject, "01", -10)
    inside = new.scans[Sequence.T1C].voxels[new.brain.voxels > 0]
    assert np.percentile(inside, PERCENTILES) == pytest.approx(scale, abs=0.5)


def write(path: Path, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    centre = np.repeat(["a", "b", "c"], 30)
    shift = np.repeat([0.0, 5.0, -3.0], 30)
    age = rng.normal(60, 10, 90)
    table = pd.DataFrame(
        {
            "centre": centre,
            "age": age,
            "x": age + shift + rng.normal(size=90),
            "y": 2 * shift + rng.normal(size=90),
            "z": shift + rng.normal(size=90),
            "note": "kept",
        }
    ).assign(**changes)
    table.to_csv(path, index=False)
    return path


def test_table_loses_the_centre_and_keeps_the_rest(tmp_path: Path) -> None:
    source = write(tmp_path / "t.csv")
    harmonise_table(source, tmp_path / "o.csv", "centre", ["x", "y", "z"], ["age"])
    before, after = pd.read_csv(source), pd.read_csv(tmp_path / "o.csv")
    assert list(after.columns) == list(before.columns)
    assert after.age.equals(before.age)
    assert (after.note == "kept").all()
    for name in ("y", "z"):
        assert np.ptp(before.groupby("centre")[name].mean()) > 5
        assert np.ptp(after.groupby("centre")[name].mean()) < 1
    assert np.corrcoef(after.x, after.age)[0, 1] > 0.95


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    source = write(tmp_path / "t.csv")
    table = pd.read_csv(source)
    table.loc[4, "y"] = np.nan
    table.to_csv(source, index=False)
    harmonise_table(source, tmp_path / "o.csv", "centre", ["x", "y", "z"], [])
    assert np.flatnonzero(pd.read_csv(tmp_path / "o.csv").y.isna()).tolist() == [4]


@pytest.mark.parametrize(
    ("changes", "features", "covariates", "message"),
    [
        ({}, [], [], "name the features"),
        ({}, ["w"], [], "no column 'w'"),
        ({"centre": "a"}, ["x", "y"], [], "one centre only"),
        ({"age": 5}, ["x", "y"], ["age"], "covariate 'age' does not vary"),
        ({"y": np.where(np.arange(90) < 30, np.nan, 1.0)}, ["x", "y"], [], "missing in every row"),
    ],
)
def test_what_cannot_be_harmonised_says_so(
    tmp_path: Path, changes: dict, features: list, covariates: list, message: str
) -> None:
    source = write(tmp_path / "t.csv", **changes)
    with pytest.raises(BadInput, match=message):
        harmonise_table(source, tmp_path / "o.csv", "centre", features, covariates)


def test_folder_without_centres(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no preprocessed centre"):
        fit_landmarks(tmp_path, tmp_path / "l.json")


def test_the_table_itself_is_not_overwritten(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv")
    before = table.read_bytes()
    with pytest.raises(BadInput, match="is the table itself; give another file to --out"):
        harmonise_table(table, tmp_path / "a" / ".." / "t.csv", "centre", ["x"], [])
    assert table.read_bytes() == before

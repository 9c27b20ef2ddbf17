"""Estimates are kept as long as images, parameters and earlier stages stay the same."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.preprocessing.stages import estimate_cache
from flame.preprocessing.stages.estimate_cache import EstimateCache, stage_keys
from flame.preprocessing.stages.stage import Estimate, Place, Stage

DAY = Timepoint(0, {})


def stage(name: str, calls: list[str], needs: tuple[str, ...] = (), **parameters: object) -> Stage:
    def estimate(timepoint: Timepoint) -> Estimate:
        calls.append(name)
        return {"matrix": np.eye(4) * len(calls)}

    return Stage(
        name,
        lambda timepoint, _: timepoint,
        Place.SCANNER,
        estimate=estimate,
        parameters=parameters,
        needs=needs,
    )


def test_keys_change_with_what_they_depend_on() -> None:
    def keys(images: str = "i", **parameters: object) -> dict[str, str]:
        chain = [stage("a", [], **parameters), stage("b", [], ("a",)), stage("c", [])]
        return stage_keys(images, chain)

    first, other = keys(width=1), keys(width=2)
    assert first == keys(width=1)
    assert {name for name in first if first[name] != other[name]} == {"a", "b"}
    changed = keys("other images", width=1)
    assert all(first[name] != changed[name] for name in first)


def test_an_estimate_is_made_once(tmp_path: Path) -> None:
    calls: list[str] = []
    one = stage("a", calls)
    cache = EstimateCache(tmp_path, stage_keys("i", [one]))
    first = cache.get(one, DAY)
    again = cache.get(one, DAY)
    assert calls == ["a"]
    assert (first["matrix"] == again["matrix"]).all()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: bytes) -> None:
    calls: list[str] = []
    one = stage("a", calls)
    cache = EstimateCache(tmp_path, stage_keys("i", [one]))
    cache.get(one, DAY)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(damage)
    assert (cache.get(one, DAY)["matrix"] == 2 * np.eye(4)).all()
    assert len(calls) == 2


def test_an_old_estimate_does_not_stay_behind(tmp_path: Path) -> None:
    for images in ("i", "j"):
        one = stage("a", [])
        EstimateCache(tmp_path, stage_keys(images, [one])).get(one, DAY)
    assert len(list(tmp_path.iterdir())) == 1


def test_keys_change_with_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for hashes in ({}, {"mine.py": "1"}, {"mine.py": "2"}):
        monkeypatch.setattr(estimate_cache, "plugin_hashes", lambda h=hashes: h)
        found.append(stage_keys("i", [stage("a", [])])["a"])
    assert len(set(found)) == 3

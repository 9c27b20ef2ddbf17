"""Estimates of stages kept on disk, so that a changed parameter redoes only what it touches."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.files import atomic_path
from flame.core.version import __version__
from flame.preprocessing.stages.stage import Estimate, Stage

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zlib.error, zipfile.BadZipFile)
"""A file that is absent, or cut short by a crash."""


def stage_keys(images: str, stages: list[Stage]) -> dict[str, str]:
    """Content key of each stage's estimate: images, own parameters, and the stages it needs."""
    keys: dict[str, str] = {}
    for stage in stages:
        needed = [keys.get(name, "") for name in stage.needs]
        text = json.dumps([__version__, images, stage.name, dict(stage.parameters), needed])
        keys[stage.name] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return keys


class EstimateCache:
    """A folder with one file an estimate, named by stage and content key."""

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self._folder, self._keys = folder, keys

    def get(self, stage: Stage, timepoint: Timepoint) -> Estimate:
        """Return the kept estimate of ``stage``; otherwise make it from ``timepoint``, keep it."""
        if not stage.has_estimate:
            return stage.estimate(timepoint)
        path = self._folder / f"{stage.name}-{self._keys[stage.name]}.npz"
        try:
            with np.load(path) as arrays:
                return dict(arrays)
        except _UNREADABLE:
            estimate = stage.estimate(timepoint)
        for old in self._folder.glob(f"{stage.name}-*.npz"):
            old.unlink(missing_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **estimate)  # type: ignore[arg-type]
        return estimate

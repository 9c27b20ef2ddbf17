"""Cache of the stages' estimates on disk: a changed parameter repeats only what depends on it."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.files import atomic_path
from flame.core.plugins import plugin_hashes
from flame.core.version import __version__
from flame.preprocessing.stages.stage import Estimate, Stage

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zlib.error, zipfile.BadZipFile)
"""Errors of a file that is absent, or that a crash has cut short."""


def stage_keys(images: str, stages: list[Stage]) -> dict[str, str]:
    """Compute the content key of each stage's estimate.

    A key depends on the version of FLAME, the text of the plug-ins, the images, the parameters of
    the stage, and the keys of the stages that it needs.

    Args:
        images: content hash of the images.
        stages: stages in the order in which they run.

    Returns:
        Key of 32 hexadecimal digits by name of the stage.
    """
    keys: dict[str, str] = {}
    plugins = [hashes] if (hashes := plugin_hashes()) else []
    for stage in stages:
        needed = [keys.get(name, "") for name in stage.needs]
        content = [__version__, images, stage.name, dict(stage.parameters), needed, *plugins]
        keys[stage.name] = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    return keys


class EstimateCache:
    """Cache of the estimates of one day, with one file for each stage.

    Args:
        folder: folder of the files, which are named after stage and content key.
        keys: content key of each stage, from ``stage_keys``.
    """

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self._folder = folder
        self._keys = keys

    def get(self, stage: Stage, timepoint: Timepoint) -> Estimate:
        """Return the estimate of a stage: the stored one, else a new one, which is then stored.

        Args:
            stage: stage whose estimate is needed.
            timepoint: day from which a new estimate is made.

        Returns:
            Estimate of the stage.
        """
        if not stage.has_estimate:
            return stage.estimate(timepoint)
        path = self._folder / f"{stage.name}-{self._keys[stage.name]}.npz"
        try:
            with path.open("rb") as kept, np.load(kept) as arrays:
                return dict(arrays)
        except _UNREADABLE:
            estimate = stage.estimate(timepoint)
        for old in self._folder.glob(f"{stage.name}-*.npz"):
            old.unlink(missing_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **estimate)  # type: ignore[arg-type]
        return estimate

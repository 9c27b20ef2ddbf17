"""A trained model that predicts, from a run folder or from a bundle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.config import load_config, with_overrides
from flame.core.errors import BadInput
from flame.core.expansion import check_archive
from flame.core.files import sha256
from flame.federation.config import TrainConfig
from flame.federation.packed_model import Seeds, seeds_of
from flame.federation.run_files import MANIFEST
from flame.federation.run_folder import RunFolder
from flame.federation.task import Shared, Task
from flame.federation.tasks.registry import open_task

METADATA = "configs/metadata.json"
"""What the bundle is, as MONAI reads it; its presence marks a bundle."""
CONFIG = "configs/flame.toml"
"""Configuration of the model: task, features, and treatment of missing values."""
ARRAYS = "models/model.npz"
"""Weights and shared arrays of each seed."""
_SETTABLE = (
    "data.id_column",
    "data.centre_column",
    "data.person_column",
    "data.survival",
    "data.unknown_status",
    "data.visits",
)
"""Keys that name columns and files of a cohort, and change nothing of the model."""
CHECKSUMS = "checksums.sha256"
"""SHA-256 of every other file, as ``sha256sum --check`` reads it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model trained on all patients of a run, with each of its seeds.

    Args:
        name: name of the model in tables and pages.
        config: configuration of its run, without paths of the run's machine.
        seeds: weights and shared arrays of each seed.
        simulated: whether it was trained on simulated patients; None: unknown.
        warnings: warnings of the training.
        sources: files and folders that training read, such as ``sub-NAME``; empty in a bundle.
    """

    name: str
    config: TrainConfig
    seeds: Seeds
    simulated: bool | None = None
    warnings: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()

    @cached_property
    def task(self) -> Task[Any]:
        """The task of the model."""
        return open_task(self.config)

    @property
    def shared(self) -> Shared:
        """The shared arrays of the first seed."""
        return self.seeds[0][1]

    def configured(self, overrides: Sequence[str]) -> "Model":
        """Return the model with other names of the columns of a table.

        Args:
            overrides: ``data.key=value``, such as ``data.id_column=subject``.

        Returns:
            A new model; this one is unchanged.

        Raises:
            BadInput: a key is not of section ``data``, or unknown.
        """
        for override in overrides:
            if override.partition("=")[0].strip() not in _SETTABLE:
                raise BadInput(
                    f"{override}: of a trained model only {', '.join(_SETTABLE)} can be set"
                )
        return replace(self, config=with_overrides(self.config, overrides))


def open_model(path: Path) -> Model:
    """Open a model for predictions.

    Args:
        path: a bundle of ``flame export``, or the folder of a run.

    Returns:
        The model.

    Raises:
        BadInput: there is no model, it is not finished, or the bundle is damaged.
    """
    if (path / METADATA).exists():
        return _from_bundle(path)
    folder = RunFolder(path)
    config = folder.config()
    task = open_task(config)
    if not task.cross_validated:
        raise BadInput(f"{path} describes cohorts and holds no model; run flame train")
    models = [folder.federated_model(config, seed) for seed in config.training.seeds]
    seeds = tuple((m.state.weights, m.shared) for m in models)
    listed = (path / MANIFEST).exists()  # not where sites read the data
    sources = frozenset(folder.sources() if listed else ())
    simulated = config.data.simulated if config.data.table else _are_simulated(config)
    return Model(path.name, config, seeds, simulated, tuple(folder.warnings()), sources)


def _are_simulated(config: TrainConfig) -> bool | None:
    """Return whether the images of a run are simulated; None if they are not at hand."""
    for path in sorted(Path(config.data.bids).glob("*/dataset_description.json")):
        return bool(json.loads(path.read_text(encoding="utf-8")).get("Simulated"))
    return None


def _from_bundle(path: Path) -> Model:
    check_bundle(path)
    metadata = json.loads((path / METADATA).read_text(encoding="utf-8"))
    config = load_config(TrainConfig, path / CONFIG, [])
    check_archive(path / ARRAYS)
    with np.load(path / ARRAYS, allow_pickle=False) as arrays:
        seeds = seeds_of({n: arrays[n] for n in arrays.files}, len(config.training.seeds))
    flame = metadata["flame"]
    return Model(
        metadata["name"], config, seeds, flame["simulated_patients"], tuple(flame["warnings"])
    )


def check_bundle(path: Path) -> None:
    """Check that no file of a bundle has changed since it was written.

    Args:
        path: the bundle.

    Raises:
        BadInput: a file is missing or changed; the message names it.
    """
    listed = path / CHECKSUMS
    if not listed.exists():
        raise BadInput(f"{path} is a bundle without {CHECKSUMS}; copy the whole folder again")
    lines = listed.read_text(encoding="utf-8").splitlines()
    names = {line.partition("  ")[2] for line in lines}
    if not {METADATA, CONFIG, ARRAYS} <= names or "" in names:
        raise BadInput(f"{listed} is damaged; copy the whole bundle again")
    for line in lines:
        digest, _, name = line.partition("  ")
        file = path / name
        if not file.resolve().is_relative_to(path.resolve()):
            raise BadInput(f"{listed} names a file outside the bundle; get the bundle again")
        if not file.is_file() or sha256(file) != digest:
            raise BadInput(f"{file} is missing or has changed; copy the whole bundle again")

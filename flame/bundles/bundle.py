"""Writes a model as a bundle that needs neither its run nor its patients.

The folder is laid out as a MONAI bundle. It holds no row of a patient: weights, coefficients, and
sums over all training patients that sites sent during training.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.bundles.coefficients import baseline_hazard, coefficients
from flame.bundles.description import card, features, inference, metadata
from flame.bundles.model import ARRAYS, CHECKSUMS, CONFIG, METADATA, Model
from flame.bundles.networks import write_networks
from flame.core.config import as_toml
from flame.core.files import atomic_path, check_free, sha256, write_text
from flame.evaluation.pages.page import without_paths
from flame.federation.config import TrainConfig
from flame.federation.packed_model import named_arrays
from flame.federation.tasks.logistic import LogisticTask
from flame.federation.tasks.survival import SurvivalTask


@dataclass(frozen=True)
class About:
    """What only the owners of a model can say about it.

    Args:
        name: name of the model; empty: that of the run.
        version: version of the model.
        licence: its licence, such as CC-BY-4.0; empty: none is granted.
        authors: its authors and owners.
        use: its intended use.
    """

    name: str = ""
    version: str = "0.1.0"
    licence: str = ""
    authors: str = ""
    use: str = ""


def write_bundle(model: Model, out: Path, about: About, card_of_run: str = "") -> None:
    """Write a bundle.

    Args:
        model: the model.
        out: new folder, or one that holds a bundle, which is replaced.
        about: what its owners say about it.
        card_of_run: model card of ``flame evaluate``, which is included; empty: none.

    Raises:
        BadInput: ``out`` holds something else.
    """
    check_free(out, METADATA, "bundle")
    model = replace(model, name=about.name or model.name, config=portable(model.config))
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(model, partial, about, card_of_run)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(model: Model, folder: Path, about: About, card_of_run: str) -> None:
    write_text(folder / CONFIG, as_toml(model.config))
    with atomic_path(folder / ARRAYS) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **named_arrays(model.seeds))
    write_networks(model, folder / "models")
    for name, table in _tables(model).items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    about_it = {"licence": about.licence, "authors": about.authors, "version": about.version}
    write_text(folder / METADATA, json.dumps(metadata(model, about.use, **about_it), indent=2))
    write_text(folder / "configs" / "inference.json", json.dumps(inference(), indent=2))
    write_text(folder / "docs" / "README.md", card(model, about.use, about.authors, card_of_run))
    licence = about.licence or "none: ask its owners before you use or pass on this model"
    write_text(folder / "LICENSE", f"Licence of this model: {licence}\n")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    lines = [f"{sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files]
    write_text(folder / CHECKSUMS, "".join(lines))


def _tables(model: Model) -> dict[str, pd.DataFrame]:
    tables = {"features": features(model)}
    if isinstance(model.task, LogisticTask | SurvivalTask):
        tables["coefficients"] = coefficients(model)
    if isinstance(model.task, SurvivalTask) and "hazard_deaths" in model.shared:
        tables["baseline_hazard"] = baseline_hazard(model)
    return {name: table for name, table in tables.items() if len(table)}


def portable(config: TrainConfig) -> TrainConfig:
    """Remove folders of the machine that trained a model from its configuration.

    Args:
        config: the configuration.

    Returns:
        The configuration, whose data have names that mean nothing.
    """
    plain = without_paths(config)
    data = plain.data
    data = replace(data, bids="derivatives" * bool(data.bids), table="t.csv" * bool(data.table))
    return replace(plain, data=data)

"""``flame harmonise``: harmonisation of centres, fitted from a summary of each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.imaging import Sequence
from flame.io.bids import read_timepoint
from flame.io.tables import number, read_table
from flame.preprocessing.cohort.cohort import sessions
from flame.preprocessing.harmonisation import combat
from flame.preprocessing.quality.reviews import EXCLUDE, decision, read_decisions
from flame.preprocessing.stages import nyul


@dataclass(frozen=True)
class HarmoniseResult:
    """Result of ``flame harmonise``.

    Args:
        rows: centre, and what its summary covers.
        path: the written file.
    """

    rows: tuple[tuple[str, str], ...]
    path: Path


def fit_landmarks(root: Path, out: Path) -> HarmoniseResult:
    """Fit Nyul's standard scales over preprocessed centres and write them as JSON.

    A centre contributes only a sum of landmarks and a count for each sequence.

    Args:
        root: folder with one folder per preprocessed centre.
        out: JSON file to write.

    Returns:
        Numbers of images by centre, and the file.

    Raises:
        BadInput: no centre below ``root`` is preprocessed.
    """
    centres = sorted(p for p in root.iterdir() if (p / "participants.tsv").exists())
    if not centres:
        raise BadInput(f"{root} holds no preprocessed centre; run flame preprocess first")
    sums: dict[Sequence, list[nyul.LandmarkSum]] = {}
    rows = []
    for centre in centres:
        summaries = _centre_landmarks(centre)
        rows.append((centre.name, ", ".join(f"{s.count} {q}" for q, s in summaries.items())))
        for sequence, summary in summaries.items():
            sums.setdefault(sequence, []).append(summary)
    nyul.write_scales(out, {s: nyul.merge(parts) for s, parts in sorted(sums.items())})
    return HarmoniseResult(tuple(rows), out)


def _centre_landmarks(centre: Path) -> dict[Sequence, nyul.LandmarkSum]:
    values: dict[Sequence, list[np.ndarray]] = {}
    decisions = read_decisions(centre)
    for folder in sorted(centre.glob("sub-*")):
        subject = folder.name.removeprefix("sub-")
        for session, day in sessions(centre, subject):
            if decision(decisions, subject, session, day) == EXCLUDE:
                continue
            timepoint = read_timepoint(centre, subject, session, day)
            if timepoint.brain is None:
                continue
            for sequence, scan in timepoint.scans.items():
                inside = scan.voxels[timepoint.brain.voxels > 0]
                values.setdefault(sequence, []).append(inside)
    return {s: nyul.summarise(images, s) for s, images in sorted(values.items())}


def harmonise_table(
    table: Path, out: Path, centre_column: str, features: list[str], covariates: list[str]
) -> HarmoniseResult:
    """Harmonise features of a table over centres by ComBat, and write the table.

    For the fit, the mean of the centre replaces missing features. They stay missing in the output.

    Args:
        table: CSV or TSV file with one row per patient.
        out: CSV file to write.
        centre_column: column that names the centre.
        features: columns to harmonise.
        covariates: columns whose effect is kept, such as age.

    Returns:
        Numbers of patients by centre, and the file.

    Raises:
        BadInput: a column is missing or holds text, no feature is named, a column is both feature
            and covariate, the table has one centre only, a centre lacks a feature entirely, or
            ``out`` is the table itself.
    """
    if out.resolve() == table.resolve():
        raise BadInput(f"{out} is the table itself; give another file to --out")
    data = read_table(table, [centre_column, *features, *covariates])
    if not features:
        raise BadInput("name the features to harmonise with --features")
    if set(features) & set(covariates):
        raise BadInput("a column is either a feature to harmonise or a covariate to keep, not both")
    x = _numbers(data, covariates, table)
    y = _numbers(data, features, table)
    groups = {
        str(c): np.flatnonzero(data[centre_column] == c) for c in data[centre_column].unique()
    }
    if len(groups) < 2:
        raise BadInput(f"{table}: one centre only in column {centre_column}; nothing to harmonise")
    filled = {c: _filled(y[rows], f"{table}, centre {c}", features) for c, rows in groups.items()}
    fitted = combat.merge(
        [combat.summarise(filled[c], x[rows]) for c, rows in groups.items()], covariates
    )
    for centre, rows in groups.items():
        adjustment = combat.adjust(fitted, filled[centre], x[rows])
        new = combat.harmonise(fitted, adjustment, filled[centre], x[rows])
        y[rows] = np.where(np.isnan(y[rows]), np.nan, new)
    data[features] = y
    write_text(out, data.to_csv(index=False))
    return HarmoniseResult(tuple((c, f"{len(r)} patients") for c, r in groups.items()), out)


def _numbers(data: pd.DataFrame, names: list[str], table: Path) -> np.ndarray:
    rows = [
        [number(v, f"{table}, line {i}", n) for n, v in zip(names, row, strict=True)]
        for i, row in enumerate(data[names].itertuples(index=False), 2)
    ]
    return np.array(rows, float).reshape(len(data), len(names))


def _filled(values: np.ndarray, where: str, names: list[str]) -> np.ndarray:
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        name = names[int(np.flatnonzero(empty)[0])]
        raise BadInput(f"{where}: feature '{name}' is missing in every row; leave it out")
    return np.where(np.isnan(values), np.nanmean(values, axis=0), values)

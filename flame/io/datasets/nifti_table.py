"""Reader of NIfTI files that a table lists, for hospitals whose images are no DICOM any more."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.registry import nearest
from flame.io.datasets.layout import DATASETS, PublicData, Visit, gaps
from flame.io.identifiers import clinical_columns
from flame.io.nifti import write_nifti
from flame.io.pseudonym import load_key, pseudonym
from flame.io.tables import iso_date, line_of, number, read_table

_COLUMNS = ("participant", "sequence", "path")
"""Columns that a table needs, with ``date`` or ``day``."""
_OWN = {*_COLUMNS, "date", "day", "mask", "brain", "spacing", "centre"}
"""Columns that are no clinical values."""


@dataclass(frozen=True)
class _File:
    """One row of the table; ``day`` counts from an arbitrary first day if it comes from a date."""

    where: str
    participant: str
    day: int
    sequence: Sequence
    path: Path
    mask: Path | None
    brain: Path | None


class NiftiTable:
    """Reads a table with one row per file.

    Columns: ``participant``; ``date`` (YYYY-MM-DD, counted from the participant's first one) or
    ``day`` (from the start of radiotherapy); ``sequence`` (T1, T1C, T2, FLAIR, ADC, RCBV); ``path``
    (relative to the table); and, optionally, ``mask`` (tumour on the grid of the T1C), ``brain``,
    ``spacing`` (true voxel size in mm, such as ``1x1x6.5``, where the header is wrong) and
    ``centre``. Other columns of numbers are clinical values. Participants get pseudonyms by the key
    TABLE.key.
    """

    source = "a table of NIfTI files"
    licence = "that of the files"

    def read(self, root: Path) -> PublicData:
        """Read the table ``root``, see ``Layout.read``."""
        if not root.is_file():
            raise BadInput(f"{root} is no table; give one with the columns {', '.join(_COLUMNS)}")
        table = read_table(root, _COLUMNS).fillna("")
        files = _files(root, table)
        key = load_key(root.with_name(f"{root.name}.key"))
        names = {f.participant: pseudonym(key, f.participant) for f in files}
        visits = _visits(files, names)
        centres = {}
        if "centre" in table.columns:
            cells = zip(table["participant"], table["centre"], strict=True)
            centres = {names[str(p).strip()]: str(c).strip() for p, c in cells if str(c).strip()}
        clinical, dropped = _clinical(root, table, names)
        missing = gaps(visits)
        if dropped:
            missing.append(f"columns of text, dates or identifiers left out: {', '.join(dropped)}")
        return PublicData(visits, clinical=clinical, centres=centres, missing=missing)


def _files(root: Path, table: pd.DataFrame) -> list[_File]:
    if not {"date", "day"} & set(table.columns):
        raise BadInput(f"{root} has neither a column 'date' nor a column 'day'; add one")
    first: dict[str, date] = {}
    rows = [(line_of(root, index), row) for index, row in table.iterrows()]
    if "day" not in table.columns:
        for where, row in rows:
            name = str(row["participant"]).strip()
            first[name] = min(
                first.get(name, date.max), iso_date(row["date"], f"{where}, column date")
            )
    return [_file(root, where, row, first) for where, row in rows]


def _file(root: Path, where: str, row: "pd.Series[str]", first: dict[str, date]) -> _File:
    participant = str(row["participant"]).strip()
    if not participant:
        raise BadInput(f"{where}: column participant is empty; fill it, or remove the row")
    text = str(row["sequence"]).strip().upper()
    if text not in set(Sequence):
        raise BadInput(f"{where}: unknown sequence; {nearest(text, list(map(str, Sequence)))}")
    if first:
        day = (iso_date(row["date"], f"{where}, column date") - first[participant]).days
    else:
        value = number(row["day"], where, "day")
        if value != round(value):
            raise BadInput(f"{where}, column day: write a whole number of days")
        day = int(value)
    path = _existing(root, row["path"], where, "path")
    if path is None:
        raise BadInput(f"{where}: column path is empty; name the file, or remove the row")
    spacing = str(row.get("spacing", "")).strip()
    if spacing:
        path = _with_spacing(path, _spacing(spacing, where), root)
    masks = [_existing(root, row.get(c, ""), where, c) for c in ("mask", "brain")]
    return _File(where, participant, day, Sequence(text), path, *masks)


def _existing(root: Path, text: object, where: str, column: str) -> Path | None:
    if not str(text).strip():
        return None
    path = root.parent / str(text).strip()
    if not path.is_file():
        raise BadInput(f"{where}, column {column}: no file {path}")
    return path


def _spacing(text: str, where: str) -> tuple[float, ...]:
    sizes = tuple(number(part, where, "spacing") for part in text.lower().split("x"))
    if len(sizes) != 3 or not min(sizes) > 0:
        raise BadInput(f"{where}, column spacing: write three sizes in mm, such as 1x1x6.5")
    return sizes


def _with_spacing(path: Path, spacing: tuple[float, ...], root: Path) -> Path:
    """Write a copy with another voxel size into the folder TABLE.corrected; its centre stays."""
    name = hashlib.sha256(f"{path}{spacing}".encode()).hexdigest()[:16]
    corrected = root.with_name(f"{root.name}.corrected") / f"{name}.nii.gz"
    image = nib.load(path)
    affine = np.array(image.affine, float)
    centre = affine @ [*(np.array(image.shape[:3]) - 1) / 2, 1]
    affine[:3, :3] *= np.array(spacing) / np.linalg.norm(affine[:3, :3], axis=0)
    affine[:3, 3] += (centre - affine @ [*(np.array(image.shape[:3]) - 1) / 2, 1])[:3]
    write_nifti(corrected, np.asarray(image.dataobj), affine)
    return corrected


def _visits(files: list[_File], names: dict[str, str]) -> list[Visit]:
    days: dict[tuple[str, int], list[_File]] = defaultdict(list)
    for file in files:
        days[file.participant, file.day].append(file)
    visits = []
    for (participant, day), members in sorted(days.items()):
        scans: dict[Sequence, Path] = {}
        for file in members:
            if file.sequence in scans:
                raise BadInput(
                    f"{file.where}: a second {file.sequence} of this participant and day; keep one"
                )
            scans[file.sequence] = file.path
        tumour, brain = (
            next((m for f in members if (m := getattr(f, column))), None)
            for column in ("mask", "brain")
        )
        visits.append(Visit(names[participant], f"{day}", day, scans, tumour=tumour, brain=brain))
    return visits


def _clinical(
    root: Path, table: pd.DataFrame, names: dict[str, str]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return the numbers of each participant's first row, and the columns that were dropped."""
    rows = table.drop_duplicates("participant")
    extra = [c for c in table.columns if c not in _OWN]
    kept, dropped = clinical_columns(rows[extra], str(root))
    participants = [names[str(p).strip()] for p in rows["participant"]]
    clinical = {p: {n: v[i] for n, v in kept.items()} for i, p in enumerate(participants)}
    return clinical, dropped


DATASETS.register("nifti")(NiftiTable())

"""Defines the content of a public data set, its reader, and helpers that the readers share."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.core.registry import Registry
from flame.core.treatment import Treatment
from flame.io.dicom.sources import Source
from flame.io.tables import numeric_columns, read_table

NOMINAL_DAYS = 90
"""Days assumed between visits whose dates are not published; each such visit has a note."""


@dataclass(frozen=True)
class Visit:
    """One imaging day of a patient.

    All images share the world space of the T1C.

    Args:
        patient: id of the patient in the data set.
        name: name of the visit in the data set.
        day: day of the visit; see the reader for its origin.
        scans: files, or checked DICOM series, by sequence.
        tumour: label mask of the tumour, or a mask of the enhancing part if ``oedema`` is given.
        oedema: mask of the oedema; None if the data set has no separate file for it.
        dose: radiotherapy dose in Gy.
        brain: brain mask.
        note: what is unknown about the day; empty if the day was published.
    """

    patient: str
    name: str
    day: int
    scans: Mapping[Sequence, Source]
    tumour: Path | None = None
    oedema: Path | None = None
    dose: Path | None = None
    brain: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class PublicData:
    """The content of a public data set.

    Args:
        visits: all imaging days.
        labels: convention of the tumour masks, a key of ``tumour_masks.CONVENTIONS``.
        clinical: numbers by column, by patient.
        treatments: radiotherapy course by patient.
        centres: centre by patient. A patient without one belongs to a centre named after the data
            set.
        missing: gaps of the data set, one sentence each.
    """

    visits: list[Visit]
    labels: str = "brats"
    clinical: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    centres: Mapping[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class Layout(Protocol):
    """Reader of one data set.

    Args:
        source: citation.
        licence: terms of use.
    """

    source: str
    licence: str

    def read(self, root: Path) -> PublicData:
        """Read the visits and tables of a downloaded data set.

        Args:
            root: folder of the download.

        Returns:
            The visits and tables. Files that the download lacks are listed in ``missing``.

        Raises:
            BadInput: the folder has another layout; the message shows a typical path.
        """


DATASETS: Registry[Layout] = Registry("data set")
"""Readers of public data sets by name."""


def visits_like(root: Path, pattern: str, example: str) -> list[Path]:
    """Find the folders or files of the visits.

    Args:
        root: folder of the download.
        pattern: glob pattern below ``root``.
        example: typical path, shown in the error message.

    Returns:
        The matches, sorted.

    Raises:
        BadInput: the folder does not exist, or nothing matches.
    """
    if not root.is_dir():
        raise BadInput(f"no folder {root}; name the folder of the download")
    matches = sorted(root.glob(pattern))
    if not matches:
        raise BadInput(
            f"{root} holds nothing like {example}: give the folder of the download that holds such "
            "paths, with file names as published"
        )
    return matches


def one(folder: Path, *patterns: str) -> Path | None:
    """Find the file that matches the first pattern with any match.

    Args:
        folder: folder to search.
        *patterns: glob patterns in order of preference.

    Returns:
        The file; None if no pattern matches.

    Raises:
        BadInput: several files match one pattern.
    """
    for pattern in patterns:
        matches = sorted(folder.glob(pattern))
        if len(matches) > 1:
            names = ", ".join(p.name for p in matches)
            raise BadInput(f"{folder}: {names} all fit {pattern}; keep one of them")
        if matches:
            return matches[0]
    return None


def scans_in(folder: Path, names: Mapping[Sequence, tuple[str, ...]]) -> dict[Sequence, Path]:
    """Find the scans of a visit.

    Args:
        folder: folder of the visit.
        names: glob patterns by sequence, in order of preference.

    Returns:
        Files by sequence, without missing sequences.

    Raises:
        BadInput: several files match one pattern.
    """
    paths = {sequence: one(folder, *patterns) for sequence, patterns in names.items()}
    return {sequence: path for sequence, path in paths.items() if path}


def gaps(visits: Iterable[Visit], tumours: bool = True) -> list[str]:
    """Count the visits without a sequence, a tumour mask or a published date.

    Args:
        visits: the visits.
        tumours: whether a tumour mask is expected.

    Returns:
        One sentence for each kind of gap.
    """
    days = list(visits)
    counts = Counter[str]()
    for visit in days:
        counts.update(f"no {s}" for s in STRUCTURAL if s not in visit.scans)
        counts["no tumour mask"] += tumours and visit.tumour is None
        nominal = "nominal" in visit.note
        counts[f"dates not published, taken as {NOMINAL_DAYS} days apart"] += nominal
    return [f"{n} of {len(days)} days: {gap}" for gap, n in sorted(counts.items()) if n]


def clinical_table(
    root: Path,
    pattern: str,
    key: str,
    renamed: Mapping[str, str],
    missing: list[str],
    coded: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> dict[str, dict[str, float]]:
    """Read the numbers of a clinical table by patient.

    Args:
        root: folder of the download.
        pattern: glob pattern of the table's file name.
        key: column with the id of the patient.
        renamed: FLAME's column name by the beginning of the published name.
        missing: list to which gaps are appended: no table, or columns of text.
        coded: function that codes text columns of the table as numbers first.

    Returns:
        Numbers by column, by patient; empty without a table.

    Raises:
        BadInput: several tables match, or the key column is missing.
    """
    path = one(root, pattern, f"**/{pattern}")
    if path is None:
        missing.append(f"no table {pattern}: no clinical variables")
        return {}
    table = coded(read_table(path, [key]))
    columns, dropped = numeric_columns(table.drop(columns=key), str(path))
    if dropped:
        missing.append(f"{path.name}: columns of text are left out: {', '.join(dropped)}")
    names = {c: next((n for k, n in renamed.items() if c.startswith(k)), c) for c in columns}
    return {
        str(patient): {names[c]: values[i] for c, values in columns.items()}
        for i, patient in enumerate(table[key])
        if not pd.isna(patient)
    }


def number_in(text: str) -> int:
    """Read the last whole number in a text.

    Args:
        text: text with at least one digit.

    Returns:
        The number.

    Example:
        >>> number_in("PatientID_0003/Timepoint_12")
        12
    """
    return int(re.findall(r"\d+", text)[-1])

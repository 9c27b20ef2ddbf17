"""What a public data set is to FLAME: visits with their files, and what its tables say."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.registry import Registry
from flame.core.treatment import Treatment
from flame.io.tables import numeric_columns, read_table

NOMINAL_DAYS = 90
"""Between visits whose dates are not published; the note of every such day says so."""


@dataclass(frozen=True)
class Visit:
    """One imaging day of a patient.

    ``tumour`` is a label map, or a mask of what enhances where ``oedema`` is a file of its own;
    ``dose`` is in Gy. All lie in the world of the T1c. ``note`` says what is not known of the day.
    """

    patient: str
    name: str
    day: int
    scans: Mapping[Sequence, Path]
    tumour: Path | None = None
    oedema: Path | None = None
    dose: Path | None = None
    brain: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class PublicData:
    """Visits, numbers by patient, courses, the centre of each patient, and what is missing.

    ``labels`` is the convention of tumour masks (see ``tumour_masks``). A patient without a centre
    belongs to that named after the data set.
    """

    visits: list[Visit]
    labels: str = "brats"
    clinical: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    centres: Mapping[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class Layout(Protocol):
    """One data set; ``source`` is its citation and ``licence`` what its use is bound to."""

    source: str
    licence: str

    def read(self, root: Path) -> PublicData:
        """Find everything below ``root``; BadInput says what a download should look like."""


DATASETS: Registry[Layout] = Registry("data set")


def visits_like(root: Path, pattern: str, example: str) -> list[Path]:
    """Folders or files that match ``pattern``; BadInput that shows an ``example`` where none do."""
    if not root.is_dir():
        raise BadInput(f"no folder {root}")
    found = sorted(root.glob(pattern))
    if not found:
        raise BadInput(
            f"{root} holds nothing like {example}: give the folder of the download that does, "
            "with its names as they were published"
        )
    return found


def one(folder: Path, *patterns: str) -> Path | None:
    """The one file that fits the first pattern that any file fits; BadInput where several do."""
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise BadInput(f"{folder}: {names} all fit {pattern}; leave one of them there")
        if found:
            return found[0]
    return None


def scans_in(folder: Path, names: Mapping[Sequence, tuple[str, ...]]) -> dict[Sequence, Path]:
    """Files by sequence, those that are there."""
    found = {sequence: one(folder, *patterns) for sequence, patterns in names.items()}
    return {sequence: path for sequence, path in found.items() if path}


def gaps(visits: Iterable[Visit], tumours: bool = True) -> list[str]:
    """What days lack, counted."""
    every, counts = list(visits), Counter[str]()
    for visit in every:
        counts.update(f"no {s}" for s in Sequence if s not in visit.scans)
        counts["no tumour mask"] += tumours and visit.tumour is None
        counts["days that are not published: taken as 90 apart"] += bool(visit.note)
    return [f"{n} of {len(every)} days: {what}" for what, n in sorted(counts.items()) if n]


def clinical_table(
    root: Path,
    pattern: str,
    key: str,
    renamed: Mapping[str, str],
    missing: list[str],
    coded: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> dict[str, dict[str, float]]:
    """Numbers by patient of the table that fits ``pattern``; what is amiss goes to ``missing``.

    ``renamed`` gives columns that begin like its keys FLAME's own names; ``coded`` makes numbers of
    what is text.
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
    """The last number in ``text``."""
    return int(re.findall(r"\d+", text)[-1])

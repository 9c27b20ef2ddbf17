"""Preprocessed patients as rows: clinical columns, radiomics features, scanner and arrival."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.errors import BadInput
from flame.io.bids import session_sidecar
from flame.io.dicom.scanner import scanner_in_words
from flame.io.tables import read_table
from flame.preprocessing.cohort.cohort import read_cohort, sessions
from flame.preprocessing.cohort.radiomics import FAMILY_OF, measured
from flame.preprocessing.quality.reviews import EXCLUDE, decision, read_decisions

PARTICIPANT = "participant_id"
"""Column with the pseudonym of the patient."""
ARRIVED = "arrived"
"""Column with the time (UTC) at which the first imaging day of the patient was preprocessed: that
of its file, which copies must keep."""
SCANNER = "scanner"
"""Column with the scanner of the imaging day that the features are of."""
_TABLE = "participants.tsv"


def is_finished(folder: Path) -> bool:
    """Look whether a folder is finished; ``flame preprocess`` removes its table meanwhile.

    Args:
        folder: the folder.

    Returns:
        Whether the table is there.
    """
    return (folder / _TABLE).exists()


def patient_rows(folder: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Read the patients of a folder of ``flame preprocess``.

    Patients without an imaging day, and those that decisions.tsv excludes, are left out.

    Args:
        folder: the folder.
        needed: columns that the table must have: those of participants.tsv, radiomics features,
            and ``arrived`` and ``scanner``, which are those of participants.tsv where it has them.

    Returns:
        One row for each patient, as text.

    Raises:
        BadInput: the folder is not finished, or lacks a column.
    """
    file = folder / _TABLE
    if not is_finished(folder):
        raise BadInput(f"{folder} is no finished cohort; run flame preprocess with it as OUT")
    features = [name for name in needed if name in FAMILY_OF]
    told = {ARRIVED, SCANNER, *features}
    table = read_table(file, [PARTICIPANT, *(name for name in needed if name not in told)])
    decisions = read_decisions(folder)
    rows = []
    for cells in table.to_dict("records"):
        subject = str(cells[PARTICIPANT]).removeprefix("sub-")
        days = sessions(folder, subject)
        if not days or decision(decisions, subject, "", None) == EXCLUDE:
            continue
        session = next((s for s, day in reversed(days) if day <= 0), days[0][0])
        sidecar = session_sidecar(folder, subject, session) or {}
        told_by_files = {ARRIVED: _arrival(folder, subject), SCANNER: scanner_in_words(sidecar)}
        cells = told_by_files | cells
        if features:
            identity = json.dumps([sidecar.get("InputHash"), days, _changed(folder, subject)])
            families = tuple(dict.fromkeys(FAMILY_OF[name] for name in features))
            values = _measured(folder.resolve(), subject, families, identity)
            cells |= {name: values.get(name) for name in features}
        rows.append(cells)
    columns = dict.fromkeys([*table.columns, ARRIVED, SCANNER, *features])
    return pd.DataFrame(rows, columns=[*columns], dtype=object)


def _arrival(folder: Path, subject: str) -> str:
    """Return when the first sidecar of a patient was written."""
    sidecars = folder.glob(f"sub-{subject}/ses-*/anat/*_desc-brain_mask.json")
    first = min(path.stat().st_mtime for path in sidecars)
    return datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds")


def _changed(folder: Path, subject: str) -> float:
    """Return when the latest mask of a patient was written, by hand or not."""
    masks = folder.glob(f"sub-{subject}/ses-*/anat/*_mask.nii.gz")
    return max((path.stat().st_mtime for path in masks), default=0.0)


@lru_cache(maxsize=4096)
def _measured(
    folder: Path, subject: str, families: tuple[str, ...], identity: str
) -> dict[str, Any]:
    """Measure radiomics features as text; ``identity`` changes with the imaging days."""
    cohort = read_cohort(folder, "", measured(families), only=subject)
    clinical = cohort.patients[0].clinical if cohort.patients else {}
    return {name: None if value != value else repr(value) for name, value in clinical.items()}

"""Reader of BraTS and FeTS: pre-operative glioma, in FeTS with the centre of each patient."""

import re
from pathlib import Path

import pandas as pd

from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    NOMINAL_DAYS,
    PublicData,
    Visit,
    clinical_table,
    gaps,
    one,
    scans_in,
    visits_like,
)
from flame.io.tables import read_table

NEW = {
    Sequence.T1: ("*-t1n.nii.gz",),
    Sequence.T1C: ("*-t1c.nii.gz",),
    Sequence.T2: ("*-t2w.nii.gz",),
    Sequence.FLAIR: ("*-t2f.nii.gz",),
}
"""File names since BraTS 2023."""
OLD = {
    Sequence.T1: ("*_t1.nii.gz",),
    Sequence.T1C: ("*_t1ce.nii.gz",),
    Sequence.T2: ("*_t2.nii.gz",),
    Sequence.FLAIR: ("*_flair.nii.gz",),
}
"""File names before BraTS 2023."""
_BEFORE_SURGERY = -1
"""Day of the first visit, which is before surgery, so before radiotherapy; no published date."""
_PARTITIONS = "partitioning_1.csv"
"""Table of FeTS with the centre of each patient."""


class Brats:
    """Reads ``BraTS-GLI-00000-000/...-{t1c,t1n,t2f,t2w,seg}.nii.gz``, before 2023 ``_t1ce``.

    The FeTS table ``partitioning_1.csv`` has the columns Partition_ID and Subject_ID. Each
    partition is a centre.
    """

    source = "BraTS, Menze 2015, doi:10.1109/TMI.2014.2377694; FeTS, Pati 2021, arXiv:2105.05874"
    licence = "see its organisers"

    def read(self, root: Path) -> PublicData:
        """Read BraTS or FeTS, see ``Layout.read``."""
        example = "BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1c.nii.gz"
        contrast = visits_like(root, "**/*[-_]t1c*.nii.gz", example)
        recent = contrast[0].name.endswith("-t1c.nii.gz")
        visits = []
        for folder in dict.fromkeys(path.parent for path in contrast):
            patient, order = _patient(folder.name)
            day = NOMINAL_DAYS * order
            visits.append(
                Visit(
                    patient,
                    f"{order:03d}",
                    day or _BEFORE_SURGERY,
                    scans_in(folder, NEW if recent else OLD),
                    one(folder, "*-seg.nii.gz" if recent else "*_seg.nii.gz"),
                    note="the day is nominal" if day else "",
                )
            )
        missing = gaps(visits)
        centres = self._centres(root, [v.patient for v in visits], missing)
        return PublicData(
            visits,
            "brats-2023" if recent else "brats",
            self._survival(root, missing),
            {},
            centres,
            missing,
        )

    def _centres(self, root: Path, patients: list[str], missing: list[str]) -> dict[str, str]:
        path = one(root, _PARTITIONS, f"**/{_PARTITIONS}")
        if path is None:
            missing.append(f"no table {_PARTITIONS}: all patients are one centre")
            return {}
        table = read_table(path, ["Partition_ID", "Subject_ID"])
        pairs = zip(table.Subject_ID, table.Partition_ID, strict=True)
        centres = {_patient(str(subject))[0]: f"centre-{partition}" for subject, partition in pairs}
        unassigned = sum(p not in centres for p in patients)
        if unassigned:
            missing.append(f"{path.name} has no row for {unassigned} of {len(patients)} patients")
        return centres

    def _survival(self, root: Path, missing: list[str]) -> dict[str, dict[str, float]]:
        path = one(root, "survival*.csv", "**/survival*.csv")
        if path is None:
            missing.append("no table survival*.csv: no age and no survival")
            return {}
        header = list(read_table(path).columns)
        renamed = {"Survival": "survival_days", "Age": "age"}
        clinical = clinical_table(path.parent, path.name, header[0], renamed, missing, _with_status)
        return {_patient(name)[0]: row for name, row in clinical.items()}


def _patient(name: str) -> tuple[str, int]:
    """Return the patient and the visit number from 0; ``BraTS-GLI-00013-001`` is visit 1."""
    match = re.fullmatch(r"(BraTS-\w+-\d+)-(\d+)", name)
    return (match[1], int(match[2])) if match else (name, 0)


def _with_status(table: pd.DataFrame) -> pd.DataFrame:
    """Split survival into days and status; ``ALIVE (361 days later)`` gives 361 days, alive."""
    columns = [c for c in table.columns if c.startswith("Survival")]
    if not columns:
        return table
    text = table[columns[0]].astype("string")
    alive = text.str.contains("alive", case=False, na=False)
    days = text.str.extract(r"(\d+(?:\.\d+)?)")[0]
    died = alive.map({True: "0", False: "1"}).where(days.notna())
    return table.assign(**{columns[0]: days, "died": died})


DATASETS.register("brats")(Brats())

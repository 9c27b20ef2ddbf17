"""Reader of RHUH-GBM: glioblastoma before and after surgery, and at recurrence."""

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

_SUFFIXES = {
    Sequence.T1: "t1",
    Sequence.T1C: "t1ce",
    Sequence.T2: "t2",
    Sequence.FLAIR: "flair",
    Sequence.ADC: "adc",
}
_DAYS = {"0": -NOMINAL_DAYS, "1": 3 - NOMINAL_DAYS, "2": NOMINAL_DAYS}
"""Nominal day of each visit: before surgery, within 72 hours after it, and at recurrence."""
_RENAMED = {
    "Age": "age",
    "Overall survival": "survival_days",
    "Progression free survival": "progression_days",
}
"""FLAME's column name by the beginning of the published name."""


class RhuhGbm:
    """Reads ``RHUH-0001/0/RHUH-0001_0_{t1,t1ce,t2,flair,adc,segmentations}.nii.gz``, and 1 and 2.

    Labels of the masks are 1 for necrosis, 2 for oedema and 3 for enhancing tumour; a cavity has
    none. Days are not published with the images, and survival counts from surgery.
    """

    source = "RHUH-GBM, Cepeda 2023, doi:10.1016/j.dib.2023.109617"
    licence = "CC BY 4.0"

    def read(self, root: Path) -> PublicData:
        """Read RHUH-GBM, see ``Layout.read``."""
        visits = []
        example = "RHUH-0001/0/RHUH-0001_0_t1ce.nii.gz"
        for folder in visits_like(root, "**/RHUH-????/[012]/", example):
            names = {s: (f"*_{suffix}.nii.gz",) for s, suffix in _SUFFIXES.items()}
            scans = scans_in(folder, names)
            if scans:
                visits.append(
                    Visit(
                        folder.parent.name,
                        folder.name,
                        _DAYS[folder.name],
                        scans,
                        one(folder, "*_segmentations.nii.gz"),
                        note="the day is nominal",
                    )
                )
        missing = gaps(visits)
        pattern = "clinical_data*RHUH-GBM*.csv"
        clinical = clinical_table(root, pattern, "Patient ID", _RENAMED, missing, _with_status)
        return PublicData(visits, "brats-2023", clinical, missing=missing)


def _with_status(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``died``: a survival that is not censored ends with death."""
    if "Right Censored" not in table:
        return table
    censored = table["Right Censored"].astype("string").str.strip().str.lower()
    died = censored.map({"yes": "0", "no": "1"})
    return table.drop(columns="Right Censored").assign(died=died)


DATASETS.register("rhuh-gbm")(RhuhGbm())

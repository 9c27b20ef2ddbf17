"""Reader of UPENN-GBM: glioblastoma before surgery, with survival (Bakas 2022)."""

from pathlib import Path

import pandas as pd

from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    PublicData,
    Visit,
    clinical_table,
    gaps,
    one,
    scans_in,
    visits_like,
)

SCANS = {
    Sequence.T1: ("*_T1.nii.gz",),
    Sequence.T1C: ("*_T1GD.nii.gz",),
    Sequence.T2: ("*_T2.nii.gz",),
    Sequence.FLAIR: ("*_FLAIR.nii.gz",),
}
"""File names by sequence."""
_BEFORE_SURGERY = -1
"""Day of the only visit, which is before surgery, so before radiotherapy; no published date."""


class UpennGbm:
    """Reads ``UPENN-GBM-00001_11/UPENN-GBM-00001_11_{T1,T1GD,T2,FLAIR}.nii.gz``.

    The suffix ``_11`` marks images before surgery. Masks are beside the scans or in
    ``images_segm``.
    """

    source = "UPENN-GBM, Bakas 2022, doi:10.1038/s41597-022-01560-7"
    licence = "CC BY 4.0"

    def read(self, root: Path) -> PublicData:
        """Read UPENN-GBM, see ``Layout.read``."""
        example = "UPENN-GBM-00001_11/UPENN-GBM-00001_11_T1GD.nii.gz"
        visits = []
        for folder in visits_like(root, "**/UPENN-GBM-?????_11/", example):
            name = f"{folder.name}_segm.nii.gz"
            mask = one(folder, name) or one(root, f"images_segm/{name}", f"**/{name}")
            scans = scans_in(folder, SCANS)
            visits.append(Visit(folder.name, "11", _BEFORE_SURGERY, scans, mask))
        missing = gaps(visits)
        renamed = {"Survival_from_surgery_days": "survival_days", "Age_at_scan": "age"}
        pattern = "UPENN-GBM_clinical_info*.csv"
        clinical = clinical_table(root, pattern, "ID", renamed, missing, _with_status)
        return PublicData(visits, "brats", clinical, {}, {}, missing)


def _with_status(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``died`` from the status in words; it is empty if the status is unknown."""
    codes = {"deceased": "1", "dead": "1", "alive": "0", "lost to follow-up": "0"}
    columns = [c for c in table.columns if c.startswith("Survival_Status")]
    if not columns:
        return table
    status = table[columns[0]].astype("string").str.strip().str.lower()
    return table.drop(columns=columns).assign(died=status.map(codes))


DATASETS.register("upenn-gbm")(UpennGbm())

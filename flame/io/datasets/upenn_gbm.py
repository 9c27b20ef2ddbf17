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
"""Day of the only visit, which is before surgery and so before radiotherapy; not a published date.
"""


class UpennGbm:
    """Files ``UPENN-GBM-00001_11/UPENN-GBM-00001_11_{T1,T1GD,T2,FLAIR}.nii.gz``.

    The suffix ``_11`` marks images before surgery. Masks are beside the scans or in
    ``images_segm``.
    """

    source = "UPENN-GBM, Bakas 2022, doi:10.1038/s41597-022-01560-7"
    licence = "CC BY 4.0"

    def read(self, root: Path) -> PublicData:
        """See ``Layout``."""
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
    """Add the column ``died`` from the status in words; it is empty where the status is unknown."""
    words = {"deceased": "1", "dead": "1", "alive": "0", "lost to follow-up": "0"}
    found = [c for c in table.columns if c.startswith("Survival_Status")]
    if not found:
        return table
    status = table[found[0]].astype("string").str.strip().str.lower()
    return table.drop(columns=found).assign(died=status.map(words))


DATASETS.register("upenn-gbm")(UpennGbm())

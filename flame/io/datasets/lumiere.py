"""Reader of LUMIERE: longitudinal glioblastoma MRI with expert ratings (Suter 2022)."""

import re
from pathlib import Path

from flame.core.errors import BadInput
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
    Sequence.T1: ("T1.nii.gz",),
    Sequence.T1C: ("CT1.nii.gz",),
    Sequence.T2: ("T2.nii.gz",),
    Sequence.FLAIR: ("FLAIR.nii.gz",),
}
"""File names by sequence."""
_RATINGS = "LUMIERE-ExpertRating*.csv"


class Lumiere:
    """Reads ``Imaging/Patient-001/week-000-1/{CT1,T1,T2,FLAIR}.nii.gz`` and tables.

    Weeks count from the first image. The data set publishes neither the start of radiotherapy nor
    which of two images of one week was acquired before surgery.
    """

    source = "LUMIERE, Suter 2022, doi:10.1038/s41597-022-01881-7"
    licence = "CC BY-NC"

    def read(self, root: Path) -> PublicData:
        """Read LUMIERE, see ``Layout.read``."""
        base = root / "Imaging" if (root / "Imaging").is_dir() else root
        visits = []
        for folder in visits_like(base, "Patient-*/week-*/", "Patient-001/week-000-1/CT1.nii.gz"):
            match = re.fullmatch(r"week-(\d+)(?:-(\d+))?", folder.name)
            if match is None:
                raise BadInput(
                    f"{folder}: rename it as published; days are named like week-000-1 or week-044"
                )
            week, image = match.groups()
            day = 7 * int(week) + (int(image) - 1 if image else 0)
            visits.append(
                Visit(
                    folder.parent.name,
                    folder.name,
                    day,
                    scans_in(folder, SCANS),
                    one(folder, "*seg*mask*.nii.gz", "*segmentation*.nii.gz"),
                )
            )
        missing = [*gaps(visits), "days count from the first image, not from radiotherapy"]
        if one(root, _RATINGS, f"**/{_RATINGS}") is None:
            missing.append(f"no table {_RATINGS}: no expert ratings to compare with")
        clinical = clinical_table(
            root, "LUMIERE-Demographics*.csv", "Patient", {"Survival": "survival_weeks"}, missing
        )
        for row in clinical.values():
            if "survival_weeks" in row:
                row["survival_days"] = 7 * row.pop("survival_weeks")
        return PublicData(visits, "brats", clinical, {}, {}, missing)


DATASETS.register("lumiere")(Lumiere())

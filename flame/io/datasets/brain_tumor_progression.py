"""Reader of Brain-Tumor-Progression: glioblastoma after chemoradiotherapy, on two days."""

from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    NOMINAL_DAYS,
    PublicData,
    Visit,
    gaps,
    one,
    visits_like,
)
from flame.io.datasets.progression_dicom import dicom_visits
from flame.io.tables import number, read_table

DAYS = ("pre", "post")
"""Beginning of the file names of both days."""
NOTE = "the mask is the enhancing tumour alone"
"""What is special about every mask of the data set."""


class BrainTumorProgression:
    """Reads the DICOM of TCIA, or NIfTI files and the days between in ``cases.csv``.

    DICOM is laid out as ``flame.io.datasets.progression_dicom`` says, and NIfTI files as
    ``PGBM-001/{pre,post}_{t1c,mask}.nii.gz``. Both days are after chemoradiotherapy, the first
    within 90 days of its end. Its dose, its date and the start of radiotherapy are not published,
    so that days count from the first image.
    """

    source = "Brain-Tumor-Progression, Schmainda and Prah 2018, 10.7937/K9/TCIA.2018.15quzvnb"
    licence = "CC BY 3.0"

    def read(self, root: Path) -> PublicData:
        """Read Brain-Tumor-Progression, see ``Layout.read``."""
        missing: list[str] = []
        visits = dicom_visits(root.resolve(), NOTE, missing)
        if missing and not visits:
            raise BadInput(f"{root}: no day can be used: {'; '.join(missing)}")
        visits = visits or self._nifti(root)
        missing += [*gaps(visits), f"every day: {NOTE}", "no dose, plan or start of radiotherapy"]
        return PublicData(visits, "enhancing", missing=missing)

    def _nifti(self, root: Path) -> list[Visit]:
        visits = []
        firsts = visits_like(root, "PGBM-*/pre_t1c.nii.gz", "PGBM-001/pre_t1c.nii.gz")
        between = _days_between(root)
        for folder in (path.parent for path in firsts):
            known = between.get(folder.name)
            for day, name in zip((0, known or NOMINAL_DAYS), DAYS, strict=True):
                scan = one(folder, f"{name}_t1c.nii.gz")
                if scan is not None:
                    visits.append(
                        Visit(
                            folder.name,
                            name,
                            day,
                            {Sequence.T1C: scan},
                            tumour=one(folder, f"{name}_mask.nii.gz"),
                            note=NOTE if known else f"the day is nominal; {NOTE}",
                        )
                    )
        return visits


def _days_between(root: Path) -> dict[str, int]:
    path = root / "cases.csv"
    if not path.exists():
        return {}
    table = read_table(path, ["patient_id", "days"])
    return {
        str(row.patient_id): int(number(row.days, f"{path}", "days"))
        for row in table.itertuples()
        if not pd.isna(row.days)
    }


DATASETS.register("brain-tumor-progression")(BrainTumorProgression())

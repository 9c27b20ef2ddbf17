"""Reader of UCSF-ALPTDG: post-treatment diffuse glioma, two timepoints for each patient."""

from pathlib import Path

from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    NOMINAL_DAYS,
    PublicData,
    Visit,
    gaps,
    one,
    scans_in,
    visits_like,
)

_SUFFIXES = {Sequence.T1: "t1", Sequence.T1C: "t1ce", Sequence.T2: "t2", Sequence.FLAIR: "flair"}


class UcsfAlptdg:
    """Reads ``100001/100001_time1_{t1,t1ce,t2,flair,seg}.nii.gz``, and the same with time2.

    Labels of the masks include 3 for enhancing tumour and 4 for the resection cavity.
    """

    source = "UCSF-ALPTDG, Fields 2024"
    licence = "see its publishers"

    def read(self, root: Path) -> PublicData:
        """Read UCSF-ALPTDG, see ``Layout.read``."""
        visits = []
        for folder in visits_like(root, "[0-9]*/", "100001/100001_time1_t1ce.nii.gz"):
            for order in (1, 2):
                stem = f"*_time{order}_"
                names = {s: (f"{stem}{suffix}.nii.gz",) for s, suffix in _SUFFIXES.items()}
                scans = scans_in(folder, names)
                if scans:
                    visits.append(
                        Visit(
                            folder.name,
                            f"time{order}",
                            NOMINAL_DAYS * (order - 1),
                            scans,
                            one(folder, f"{stem}seg*.nii.gz"),
                            note="the day is nominal",
                        )
                    )
        return PublicData(visits, "brats-2023", missing=gaps(visits))


DATASETS.register("ucsf-alptdg")(UcsfAlptdg())

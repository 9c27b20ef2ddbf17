"""Reader of MU-Glioma-Post: post-operative diffuse glioma at several timepoints."""

from pathlib import Path

from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    NOMINAL_DAYS,
    PublicData,
    Visit,
    gaps,
    number_in,
    one,
    scans_in,
    visits_like,
)

SCANS = {
    Sequence.T1: ("*_t1n.nii.gz",),
    Sequence.T1C: ("*_t1c.nii.gz",),
    Sequence.T2: ("*_t2w.nii.gz",),
    Sequence.FLAIR: ("*_t2f.nii.gz",),
}
"""File names by sequence."""


class MuGliomaPost:
    """Reads ``PatientID_0003/Timepoint_1/..._{t1n,t1c,t2w,t2f,tumorMask}.nii.gz``.

    Labels of the masks: 1 non-enhancing core, 2 oedema, 3 enhancing tumour, 4 resection cavity.
    """

    source = "MU-Glioma-Post, The Cancer Imaging Archive"
    licence = "see its page at The Cancer Imaging Archive"

    def read(self, root: Path) -> PublicData:
        """Read MU-Glioma-Post, see ``Layout.read``."""
        pattern = "PatientID_*/Timepoint_*/"
        example = "PatientID_0003/Timepoint_1"
        visits = [
            Visit(
                folder.parent.name,
                folder.name,
                NOMINAL_DAYS * (number_in(folder.name) - 1),
                scans_in(folder, SCANS),
                one(folder, "*_tumorMask.nii.gz"),
                note="the day is nominal",
            )
            for folder in visits_like(root, pattern, example)
        ]
        return PublicData(visits, "brats-2023", missing=gaps(visits))


DATASETS.register("mu-glioma-post")(MuGliomaPost())

"""Reader of SAILOR: glioblastoma during and after chemoradiotherapy, with masks and dose."""

from itertools import accumulate
from pathlib import Path

from flame.core.errors import BadInput
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

SCANS = {
    Sequence.T1: ("T1.nii.gz",),
    Sequence.T1C: ("T1c.nii.gz",),
    Sequence.T2: ("T2.nii.gz",),
    Sequence.FLAIR: ("Flair.nii.gz",),
}
"""File names by sequence."""


class Sailor:
    """Reads ``sub-01/ses-01/{T1,T1c,Flair,T2,ContrastEnhancedMask-CL,EdemaMask-CL}.nii.gz``.

    The first session is before radiotherapy. ``intervals-days.txt`` of a patient has the days from
    each session to the next. ``DoseMap.nii.gz`` is in the folder of the session or of the patient.
    """

    source = "SAILOR, Sidibe and others, a longitudinal MRI data set of glioblastoma"
    licence = "see its publishers"

    def read(self, root: Path) -> PublicData:
        """Read SAILOR, see ``Layout.read``."""
        visits = []
        for patient in visits_like(root, "sub-*/", "sub-01/ses-01/T1c.nii.gz"):
            sessions = visits_like(patient, "ses-*/", "ses-01/T1c.nii.gz")
            days, note = _days(patient, len(sessions))
            for folder, day in zip(sessions, days, strict=True):
                visits.append(
                    Visit(
                        patient.name,
                        folder.name,
                        day,
                        scans_in(folder, SCANS),
                        tumour=one(folder, "ContrastEnhancedMask-CL.nii.gz"),
                        oedema=one(folder, "EdemaMask-CL.nii.gz"),
                        dose=one(folder, "DoseMap.nii.gz") or one(patient, "DoseMap.nii.gz"),
                        note=note,
                    )
                )
        return PublicData(visits, missing=gaps(visits))


def _days(patient: Path, sessions: int) -> tuple[list[int], str]:
    """Return the day of each session from the first one, and a note if days are nominal."""
    path = patient / "intervals-days.txt"
    if not path.exists():
        return [NOMINAL_DAYS * n for n in range(sessions)], "the day is nominal"
    try:
        intervals = [int(float(word)) for word in path.read_text().replace(",", " ").split()]
    except ValueError:
        raise BadInput(f"{path} must hold only numbers of days; restore it as published") from None
    if len(intervals) == sessions and intervals[0] == 0:
        intervals = intervals[1:]
    if len(intervals) != sessions - 1:
        raise BadInput(
            f"{path} has {len(intervals)} intervals for {sessions} sessions; correct it, or remove "
            "it to use nominal days"
        )
    return [0, *accumulate(intervals)], ""


DATASETS.register("sailor")(Sailor())

"""One day of a patient that is to be preprocessed, and what became of it."""

from dataclasses import dataclass, field

from flame.core.imaging import Sequence
from flame.io.dicom.sources import Source
from flame.preprocessing.quality.checks import Check
from flame.preprocessing.radiotherapy_plan import RadiotherapyPlan

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Study:
    """One day of one patient, ready to be preprocessed.

    ``sources`` are keyed hashes of UIDs, ``note`` what the user should know about the day,
    ``mask`` a supplied brain mask, ``planned`` the radiotherapy drawn on one of its scans.
    ``accepted`` says that a person looked at checks that failed and takes the day.
    """

    subject: str
    session: str
    day: int
    series: dict[Sequence, Source]
    sources: tuple[str, ...]
    note: str = ""
    mask: str = ""
    planned: RadiotherapyPlan = field(default_factory=RadiotherapyPlan)
    accepted: bool = False


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: done, skipped (already there) or failed, and why.

    ``quality`` is the worst verdict of its checks. ``path`` is a file at fault; it is shown,
    never written, as it may name the patient. ``picture`` is that of a day that failed a check;
    the others have theirs in the session.
    """

    subject: str
    session: str
    day: int
    status: str
    sequences: str
    brain_ml: float
    atlas_dice: float
    quality: str
    note: str
    path: str = ""
    checks: tuple[Check, ...] = ()
    picture: bytes = b""

"""One imaging day of a patient, before and after preprocessing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flame.core.cohort import Timepoint
from flame.core.errors import UnreadableImage
from flame.core.imaging import MAPS, STRUCTURAL, Scan, Sequence
from flame.io.dicom.sources import Source, read_source
from flame.preprocessing.quality.checks import Check
from flame.preprocessing.radiotherapy.plan import RadiotherapyPlan

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Study:
    """One day of one patient, ready to be preprocessed.

    Args:
        subject: subject without its BIDS prefix.
        session: session without its BIDS prefix.
        day: day counted from the start of radiotherapy.
        series: source of the images of each sequence.
        sources: keyed hashes of the SeriesInstanceUIDs.
        note: what the user should know about the day.
        mask: path of a supplied brain mask; empty: none.
        planned: radiotherapy that belongs to the day.
        accepted: whether a person has reviewed failed checks and accepted the day.
        excluded: whether a person has excluded the day, or its patient.
        scanner: what ``scanner_of`` tells of the scanner.
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
    excluded: bool = False
    scanner: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def structural(self) -> dict[Sequence, Source]:
        """Sources of the structural sequences."""
        return {s: g for s, g in self.series.items() if s in STRUCTURAL}

    def timepoint(self) -> Timepoint:
        """Read the structural images of the day.

        Returns:
            Day with its scans on their own grids.

        Raises:
            UnreadableImage: a file is damaged.
        """
        return Timepoint(self.day, {s: read_source(g, s) for s, g in self.structural.items()})

    def maps(self) -> tuple[dict[Sequence, Scan], list[str]]:
        """Read the diffusion and perfusion maps of the day.

        Returns:
            Maps on their own grids, and a note for each that cannot be read.
        """
        found = {}
        notes = []
        for name in (s for s in self.series if s in MAPS):
            try:
                found[name] = read_source(self.series[name], name)
            except UnreadableImage as error:
                notes.append(f"{name} left out: {error.reason}")
        return found, notes


@dataclass(frozen=True)
class StudyResult:
    """Result of preprocessing one study.

    Args:
        subject: subject without its BIDS prefix.
        session: session without its BIDS prefix.
        day: day counted from the start of radiotherapy.
        status: done, skipped (the session exists already, from the same input) or failed.
        sequences: names of the day's sequences, separated by spaces.
        brain_ml: volume of the brain in ml; NaN if it was not measured.
        atlas_dice: Dice of the brain with the template's brain; NaN if it was not measured.
        quality: worst verdict of the checks.
        note: reason of a failure, or what the user should know.
        path: file that caused a failure. It is shown but never written, as it may name the patient.
        checks: checks of the day.
        picture: JPEG of a day that failed a check; the session holds the picture of other days.
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

"""Radiotherapy as it was given."""

from dataclasses import dataclass
from enum import StrEnum


class Radiation(StrEnum):
    """Particle type of a radiotherapy phase."""

    PHOTON = "photon"
    PROTON = "proton"
    CARBON = "carbon"


@dataclass(frozen=True)
class Phase:
    """One phase of a course.

    ``dose`` is the total prescribed dose in Gy over ``fractions`` fractions; ``start_day`` counts
    from the first day of radiotherapy; ``let`` is the dose-averaged LET in keV/um where known.
    ``biological`` says that the dose is already RBE-weighted (DICOM DoseType EFFECTIVE), so that
    RBE is never applied twice.
    """

    radiation: Radiation
    dose: float
    fractions: int
    start_day: int = 0
    let: float | None = None
    biological: bool = False

    def __post_init__(self) -> None:
        if not self.dose > 0 or self.fractions < 1:
            raise ValueError("a phase needs a positive dose and at least one fraction")
        if self.let is not None and not self.let > 0:
            raise ValueError("the LET of a phase must be above 0 keV/um, or empty")


@dataclass(frozen=True)
class Treatment:
    """A course of radiotherapy: its phases in order. Mixed courses are normal."""

    phases: tuple[Phase, ...]

"""Radiotherapy as it was delivered."""

from dataclasses import dataclass
from enum import StrEnum


class Radiation(StrEnum):
    """Particle type of a radiotherapy phase."""

    PHOTON = "photon"
    PROTON = "proton"
    CARBON = "carbon"


@dataclass(frozen=True)
class Phase:
    """One phase of a course of radiotherapy.

    Args:
        radiation: particle type.
        dose: total prescribed dose in Gy.
        fractions: number of fractions.
        start_day: day of the first fraction, counted from the first day of radiotherapy.
        let: dose-averaged linear energy transfer in keV/um; None: unknown.
        biological: whether ``dose`` is RBE-weighted already (DICOM DoseType EFFECTIVE). The RBE is
            not applied to it again.

    Raises:
        ValueError: the dose, the number of fractions or the LET is not positive.
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
    """A course of radiotherapy, whose phases may use different particle types.

    Args:
        phases: phases in the order of their delivery.
    """

    phases: tuple[Phase, ...]

"""Radiotherapy as it was delivered."""

from dataclasses import dataclass
from enum import StrEnum


class Radiation(StrEnum):
    """Particle type of a radiotherapy phase."""

    PHOTON = "photon"
    PROTON = "proton"
    CARBON = "carbon"


CONVENTIONS = ("", "lem", "mkm")
"""Models by which carbon doses are RBE-weighted."""


MOST_GY = 200.0
"""Largest dose of a phase; prescriptions of several thousand are in cGy."""
MOST_FRACTIONS = 100
"""Largest number of fractions of a phase."""


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
        planned: number of fractions that were planned, where treatment records tell how many were
            given; None: ``fractions`` are those planned.

        convention: model by which an RBE-weighted carbon dose was weighted: lem (Europe) or mkm
            (Japan); empty: unknown. The same number of Gy is another dose by the other one.

    Raises:
        ValueError: the dose, the number of fractions or the LET is not positive or impossible, or
            the convention is unknown.

    Reference:
        Fossati et al. 2012, doi:10.1088/0031-9155/57/22/7543 (LEM and MKM doses).
    """

    radiation: Radiation
    dose: float
    fractions: int
    start_day: int = 0
    let: float | None = None
    biological: bool = False
    planned: int | None = None
    convention: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.dose <= MOST_GY or not 1 <= self.fractions <= MOST_FRACTIONS:
            raise ValueError(
                f"a phase needs a dose above 0 and up to {MOST_GY:g} Gy (not in cGy), and 1 to "
                f"{MOST_FRACTIONS} fractions"
            )
        if self.let is not None and not self.let > 0:
            raise ValueError("the LET of a phase must be above 0 keV/um, or empty")
        if self.convention not in CONVENTIONS:
            raise ValueError(f"rbe_model '{self.convention}' is neither lem nor mkm nor empty")


@dataclass(frozen=True)
class Treatment:
    """A course of radiotherapy, whose phases may use different particle types.

    Args:
        phases: phases in the order of their delivery.
    """

    phases: tuple[Phase, ...]


_SAME_COURSE_DAYS = 60
"""Largest pause in days within a course; radiotherapy after a longer one is a re-irradiation."""


def fraction_days(phase: Phase) -> list[int]:
    """List the day of each fraction, with five fractions a week.

    Args:
        phase: one phase of a course.

    Returns:
        Days from the start of radiotherapy, in ascending order.

    Example:
        >>> fraction_days(Phase(Radiation.PHOTON, dose=14.0, fractions=7))
        [0, 1, 2, 3, 4, 7, 8]
    """
    return [phase.start_day + n // 5 * 7 + n % 5 for n in range(phase.fractions)]


def courses(treatment: Treatment) -> list[Treatment]:
    """Separate the courses of a patient: a re-irradiation is a course of its own.

    Args:
        treatment: all radiotherapy of the patient.

    Returns:
        Courses in order of their start, each with the phases that follow the one before after at
        most 60 days. Days still count from the first day of radiotherapy.

    Example:
        >>> first = Phase(Radiation.PHOTON, 60.0, 30)
        >>> again = Phase(Radiation.PHOTON, 35.0, 10, start_day=300)
        >>> [len(c.phases) for c in courses(Treatment((first, again)))]
        [1, 1]
    """
    found: list[list[Phase]] = []
    end = 0
    for phase in sorted(treatment.phases, key=lambda p: p.start_day):
        if not found or phase.start_day - end > _SAME_COURSE_DAYS:
            found.append([])
            end = phase.start_day
        found[-1].append(phase)
        end = max(end, fraction_days(phase)[-1])
    return [Treatment(tuple(phases)) for phases in found]


def end_day(treatment: Treatment | None) -> int:
    """Return the day of the last fraction of the first course, from the start of radiotherapy.

    Args:
        treatment: all radiotherapy of the patient; None: 30 fractions, five a week.

    Returns:
        The day.

    Example:
        >>> end_day(Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
        39
    """
    if treatment is None:
        return fraction_days(Phase(Radiation.PHOTON, 60.0, 30))[-1]
    return last_fraction(courses(treatment)[0])


def last_fraction(course: Treatment) -> int:
    """Return the day of the last fraction of a course, from the start of radiotherapy."""
    return max(fraction_days(phase)[-1] for phase in course.phases)

"""Patients and the cohort of one centre, which never leaves that centre."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.core.treatment import Treatment


@dataclass(frozen=True)
class Outcome:
    """What became of a patient; what is not known is None.

    ``response`` is True for a responder; ``survival_days`` counts from the start of follow-up and
    ``died`` is False where the patient was last seen alive.
    """

    response: bool | None = None
    survival_days: float | None = None
    died: bool | None = None


@dataclass(frozen=True, eq=False)
class Timepoint:
    """The MRI of one day, counted from the start of radiotherapy.

    ``brain`` and ``tumour`` (the gross tumour volume) are label maps and ``dose`` the dose of the
    whole course, all in the same world space as the scans, or None. ``regions`` are what else was
    drawn: the whole tumour with its oedema, the enhancing one. ``predicted`` says that a model
    made the tumour, where nobody drew one. ``space`` names the template that the day lies on.
    """

    day: int
    scans: Mapping[Sequence, Scan]
    brain: LabelMap | None = None
    tumour: LabelMap | None = None
    dose: DoseMap | None = None
    regions: Mapping[str, LabelMap] = field(default_factory=dict)
    predicted: bool = False
    space: str = ""


@dataclass(frozen=True, eq=False)
class Patient:
    """One pseudonymous patient; ``clinical`` holds numbers by name, NaN where missing.

    ``person`` is whose row this is where a person has several, such as visits; else empty.
    ``left_out`` says what kept the images from being read, and names nobody.
    """

    pseudonym: str
    timepoints: tuple[Timepoint, ...] = ()
    treatment: Treatment | None = None
    clinical: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome = Outcome()
    left_out: str = ""
    person: str = ""

    @property
    def baseline(self) -> Timepoint | None:
        """The last imaging before radiotherapy, or None: a later day is no stand-in for it."""
        before = [t for t in self.timepoints if t.day <= 0]
        return before[-1] if before else None


@dataclass(frozen=True, eq=False)
class Cohort:
    """The patients of one centre. ``manifest`` maps each source to its content hash."""

    centre: str
    patients: tuple[Patient, ...]
    simulated: bool
    manifest: Mapping[str, str] = field(default_factory=dict)

"""Patients, and the cohort of one centre, which never leaves the centre."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.core.treatment import Treatment


@dataclass(frozen=True)
class Outcome:
    """Outcome of a patient; None where it is unknown.

    Args:
        response: True for a responder.
        survival_days: days from the start of follow-up to death or to the last contact.
        died: False if the patient was alive at the last contact.
        entry_days: days from the start of follow-up until the patient came under observation
            (delayed entry); deaths before it could not have been seen.
    """

    response: bool | None = None
    survival_days: float | None = None
    died: bool | None = None
    entry_days: float = 0.0


@dataclass(frozen=True, eq=False)
class Timepoint:
    """The MRI of one day, with masks and dose in the same world space.

    Args:
        day: day counted from the start of radiotherapy.
        scans: scans by sequence.
        brain: brain mask; None: unknown.
        tumour: gross tumour volume; None: unknown.
        dose: dose of the whole course; None: unknown.
        phase_doses: dose of each phase of the course; empty: unknown.
        regions: further contours by name, such as the whole tumour with its oedema and the
            enhancing tumour.
        predicted: whether a model made ``tumour`` because no contour was drawn.
        template: name of the template that ``to_template`` leads to; empty: none.
        to_template: RAS+ matrix (4, 4) in mm from the world of the scans to that of the template,
            which has another size; None: the world of the scans is that of the template.
    """

    day: int
    scans: Mapping[Sequence, Scan]
    brain: LabelMap | None = None
    tumour: LabelMap | None = None
    dose: DoseMap | None = None
    regions: Mapping[str, LabelMap] = field(default_factory=dict)
    predicted: bool = False
    template: str = ""
    to_template: NDArray[np.float64] | None = None
    phase_doses: tuple[DoseMap, ...] = ()


@dataclass(frozen=True, eq=False)
class Patient:
    """One pseudonymous patient.

    Args:
        pseudonym: name of the patient, unique in the cohort.
        timepoints: MRI in the order of days.
        treatment: radiotherapy; None: unknown.
        clinical: numbers by name; NaN where missing.
        outcome: observed outcome.
        left_out: why the images could not be read, without naming the patient; empty: they were
            read.
        person: the person whose row this is, where a person has several rows, such as visits;
            empty: one row per person.
        landmark: day from the start of radiotherapy up to which a prediction may look.
        imputed: names of clinical values that were missing and have been filled in.
    """

    pseudonym: str
    timepoints: tuple[Timepoint, ...] = ()
    treatment: Treatment | None = None
    clinical: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome = Outcome()
    left_out: str = ""
    person: str = ""
    landmark: float = 0.0
    imputed: frozenset[str] = frozenset()

    @property
    def baseline(self) -> Timepoint | None:
        """The last imaging on or before the landmark, by default the start of radiotherapy.

        None without one. Later imaging does not replace it.
        """
        before = [t for t in self.timepoints if t.day <= self.landmark]
        return before[-1] if before else None

    @property
    def start(self) -> Timepoint | None:
        """The imaging from which a forecast of the tumour starts; None without a tumour mask.

        The last day with a tumour up to the landmark, by default the start of radiotherapy; without
        one, the first day after it that has a tumour. The course until then is history.
        """
        drawn = [t for t in self.timepoints if t.tumour is not None and t.tumour.voxels.any()]
        before = [t for t in drawn if t.day <= self.landmark]
        return before[-1] if before else drawn[0] if drawn else None


@dataclass(frozen=True, eq=False)
class Cohort:
    """The patients of one centre.

    Args:
        centre: name of the centre.
        patients: its patients.
        simulated: whether the data are simulated.
        manifest: content hash of each source, by its name.
        excluded: number of patients left out by each rule of the run, in the order of the rules.
    """

    centre: str
    patients: tuple[Patient, ...]
    simulated: bool
    manifest: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)


View = Callable[[Patient], Patient]
"""Maps a patient to the part of it that a model needs."""

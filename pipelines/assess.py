"""``flame assess``: RANO ratings of every day of a preprocessed centre, each with its reason."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from flame.core.cohort import Patient
from flame.core.files import write_text
from flame.core.progress import Progress, silent
from flame.io.assessments import DAYS, PROGRESSED, PROGRESSIONS, RATINGS
from flame.models.clinical.burden import by_course
from flame.models.clinical.rano import (
    Assessment,
    Criteria,
    Progression,
    criteria_named,
    progression,
)
from flame.preprocessing.cohort.cohort import read_cohort


@dataclass(frozen=True)
class AssessResult:
    """Result of ``flame assess``.

    Args:
        ratings: assessments in order of days, by pseudonym.
        progressions: time to progression, by pseudonym.
        left_out: why a patient has no time to progression, by pseudonym.
    """

    ratings: dict[str, list[Assessment]]
    progressions: dict[str, Progression]
    left_out: dict[str, str]


def run(centre: Path, criteria: str, progress: Progress = silent) -> AssessResult:
    """Rate all days of a centre; write response.tsv and progression.tsv into its folder.

    The enhancing tumour is measured in patients with such a mask, in others the gross tumour
    volume.

    Args:
        centre: folder of a preprocessed centre.
        criteria: name of the RANO criteria, a key of ``CRITERIA``.
        progress: called with patients done and the total.

    Returns:
        The ratings and times to progression, as written.

    Raises:
        BadInput: the criteria are unknown, or the folder holds no finished cohort.
    """
    rules = criteria_named(criteria)
    view = _masks_and_dose if rules.isodose else _masks_alone
    patients = read_cohort(centre, centre.name, view).patients
    ratings: dict[str, list[Assessment]] = {}
    rows: list[dict[str, object]] = []
    progressions: dict[str, Progression] = {}
    left_out: dict[str, str] = {}
    for done, patient in enumerate(patients, 1):
        name = patient.pseudonym
        first, *again = by_course(patient)
        if len(first.rated(rules)) < 2:
            left_out[name] = "fewer than two days with a tumour mask"
        else:
            ratings[name] = first.rated(rules)
            rows += [_row(name, 1, a, rules) for a in ratings[name]]
            for number, course in enumerate(again, 2):
                later = [a for a in course.rated(rules) if a.burden.day > course.start]
                rows += [_row(name, number, a, rules) for a in later]
            outcome = patient.outcome
            death = outcome.survival_days if outcome.died is not False else None
            if again and death is not None and death > again[0].start:
                death = None  # nobody looked for a progression between
            end = progression(ratings[name], death)
            if end:
                progressions[name] = end
            else:
                left_out[name] = "no tumour mask after the baseline"
        progress(done, len(patients))
    _write(centre / RATINGS, rows)
    _write(
        centre / PROGRESSIONS,
        [
            {
                "participant_id": f"sub-{name}",
                DAYS: end.days,
                PROGRESSED: int(end.progressed),
                "criteria": rules.name,
            }
            for name, end in progressions.items()
        ],
    )
    return AssessResult(ratings, progressions, left_out)


def _row(name: str, course: int, assessment: Assessment, rules: Criteria) -> dict[str, object]:
    return {
        "participant_id": f"sub-{name}",
        "course": course,
        "day": assessment.burden.day,
        "size": assessment.burden.size,
        "unit": rules.unit,
        "baseline": assessment.baseline,
        "nadir": assessment.nadir,
        "change_from_baseline": assessment.from_baseline,
        "change_from_nadir": assessment.from_nadir,
        "new_lesion": int(assessment.burden.new),
        "rating": str(assessment.rating),
        "why": assessment.why,
        "criteria": rules.name,
    }


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    columns = ["participant_id", DAYS, PROGRESSED, "criteria"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a"))


def _masks_alone(patient: Patient) -> Patient:
    bare = (replace(t, scans={}, brain=None, dose=None) for t in patient.timepoints)
    days = (replace(t, phase_doses=()) for t in bare)
    return replace(patient, timepoints=tuple(days))


def _masks_and_dose(patient: Patient) -> Patient:
    days = (replace(t, scans={}, brain=None, phase_doses=()) for t in patient.timepoints)
    return replace(patient, timepoints=tuple(days))

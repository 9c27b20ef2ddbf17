"""``flame assess``: RANO ratings of every day of a preprocessed centre, each with its reason."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.cohort import Patient, Timepoint
from flame.core.files import write_text
from flame.core.imaging import LabelMap
from flame.core.progress import Progress, silent
from flame.io.assessments import DAYS, PROGRESSED, PROGRESSIONS, RATINGS
from flame.io.tumour_masks import ENHANCING, WHOLE
from flame.models.clinical.rano import (
    Assessment,
    Burden,
    Criteria,
    Progression,
    assess,
    baseline_of,
    criteria_named,
    progression,
)
from flame.models.evolution.counterfactual import last_day
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.lesions import Lesion, lesions, near


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
    patients = read_cohort(centre, centre.name, _masks_alone).patients
    ratings: dict[str, list[Assessment]] = {}
    progressions: dict[str, Progression] = {}
    left_out: dict[str, str] = {}
    for done, patient in enumerate(patients, 1):
        days = burdens(patient, rules)
        if len(days) < 2:
            left_out[patient.pseudonym] = "fewer than two days with a tumour mask"
        else:
            assessments = assess(days, last_day(patient.treatment), rules)
            ratings[patient.pseudonym] = assessments
            outcome = patient.outcome
            death = outcome.survival_days if outcome.died is not False else None
            end = progression(assessments, death)
            if end:
                progressions[patient.pseudonym] = end
            else:
                left_out[patient.pseudonym] = "no tumour mask after the baseline"
        progress(done, len(patients))
    _write(centre / RATINGS, [_row(n, a, rules) for n, each in ratings.items() for a in each])
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


def _row(name: str, assessment: Assessment, rules: Criteria) -> dict[str, object]:
    return {
        "participant_id": f"sub-{name}",
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
    days = (replace(t, scans={}, brain=None, dose=None) for t in patient.timepoints)
    return replace(patient, timepoints=tuple(days))


def burdens(patient: Patient, rules: Criteria) -> list[Burden]:
    """Measure the tumour on each day with a mask.

    All days of a patient measure the same region. Targets are the largest measurable lesions at
    baseline. Later, every lesion near a target counts, measurable or not. Without targets, every
    measurable lesion counts.

    Args:
        patient: the patient with tumour masks.
        rules: criteria; they define the unit of the size and the number of targets.

    Returns:
        Burdens in order of days.
    """
    enhancing = any(ENHANCING in t.regions for t in patient.timepoints)
    days = sorted(patient.timepoints, key=lambda t: t.day)
    masks = [(t, _mask(t, enhancing)) for t in days]
    drawn = [(t, mask) for t, mask in masks if mask is not None]
    start = baseline_of([t.day for t, _ in drawn], last_day(patient.treatment), rules)
    targets: NDArray[np.bool_] | None = None
    known: list[Lesion] = []
    measured = []
    for day, mask in drawn:
        spacing = np.linalg.norm(mask.affine[:3, :3], axis=0)
        present = lesions(mask)
        measurable = [lesion for lesion in present if lesion.measurable]
        if day.day == start:
            targets = near(measurable[: rules.targets], spacing)
        counted = measurable
        if targets is not None:
            counted = [lesion for lesion in present if (lesion.voxels & targets).any()]
        size = sum(x.volume if rules.unit == "ml" else x.product for x in counted)
        around = near(known, spacing)
        later = start is not None and day.day > start
        new = [
            x for x in present if later and not (around is not None and (x.voxels & around).any())
        ]
        known += [x for x in present if not any(x is y for y in new)]
        flair = day.regions[WHOLE].volume if WHOLE in day.regions else None
        is_new = any(x.measurable for x in new)
        measured.append(Burden(day.day, round(size, 3), bool(present), is_new, flair))
    return measured


def _mask(day: Timepoint, enhancing: bool) -> LabelMap | None:
    """Return the mask to measure; an empty one on a day without enhancement among days with it."""
    if not enhancing or day.tumour is None:
        return day.regions.get(ENHANCING) if enhancing else day.tumour
    nothing = LabelMap(np.zeros_like(day.tumour.voxels), day.tumour.affine)
    return day.regions.get(ENHANCING, nothing)

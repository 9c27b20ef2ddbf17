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
    """What was written, the ratings by patient, and who could not be assessed and why."""

    ratings: dict[str, list[Assessment]]
    progressions: dict[str, Progression]
    left_out: dict[str, str]


def run(centre: Path, criteria: str, progress: Progress = silent) -> AssessResult:
    """Write response.tsv, a row a day, and progression.tsv into the centre's folder.

    Measured is what enhances where such a mask was drawn, else the gross tumour volume. BadInput
    for unknown criteria and for a folder without a finished cohort.
    """
    rules = criteria_named(criteria)
    patients = read_cohort(centre, centre.name, _masks_alone).patients
    ratings, ends, left_out = dict[str, list[Assessment]](), dict[str, Progression](), {}
    for done, patient in enumerate(patients, 1):
        days = burdens(patient, rules)
        if len(days) < 2:
            left_out[patient.pseudonym] = "fewer than two days with a tumour mask"
        else:
            found = assess(days, last_day(patient.treatment), rules)
            ratings[patient.pseudonym] = found
            known = patient.outcome
            end = progression(found, known.survival_days if known.died is not False else None)
            if end:
                ends[patient.pseudonym] = end
            else:
                left_out[patient.pseudonym] = "no tumour mask after the baseline"
        progress(done, len(patients))
    _write(centre / RATINGS, [_row(n, a, rules) for n, each in ratings.items() for a in each])
    _write(
        centre / PROGRESSIONS,
        [
            {
                "participant_id": name,
                DAYS: end.days,
                PROGRESSED: int(end.progressed),
                "criteria": rules.name,
            }
            for name, end in ends.items()
        ],
    )
    return AssessResult(ratings, ends, left_out)


def _row(name: str, found: Assessment, rules: Criteria) -> dict[str, object]:
    return {
        "participant_id": name,
        "day": found.burden.day,
        "size": found.burden.size,
        "unit": rules.unit,
        "baseline": found.baseline,
        "nadir": found.nadir,
        "change_from_baseline": found.from_baseline,
        "change_from_nadir": found.from_nadir,
        "new_lesion": int(found.burden.new),
        "rating": str(found.rating),
        "why": found.why,
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
    """The tumour of each day on which there is a mask, in order.

    What is measured is one and the same on all days. Targets are the largest measurable lesions at
    baseline; later all that lies near one counts, measurable or not. Where there were none, every
    measurable lesion counts.
    """
    enhancing = any(ENHANCING in t.regions for t in patient.timepoints)
    days = sorted(patient.timepoints, key=lambda t: t.day)
    enhancing = any(ENHANCING in t.regions for t in patient.timepoints)
    days = sorted(patient.timepoints, key=lambda t: t.day)
    drawn = [(t, mask) for t in days if (mask := _mask(t, enhancing)) is not None]
    start = baseline_of([t.day for t, _ in drawn], last_day(patient.treatment), rules)
    targets: NDArray[np.bool_] | None = None
    known: list[Lesion] = []
    found = []
    for day, mask in drawn:
        spacing = np.linalg.norm(mask.affine[:3, :3], axis=0)
        there = lesions(mask)
        measurable = [lesion for lesion in there if lesion.measurable]
        if day.day == start:
            targets = near(measurable[: rules.targets], spacing)
        counted = measurable
        if targets is not None:
            counted = [lesion for lesion in there if (lesion.voxels & targets).any()]
        size = sum(x.volume if rules.unit == "ml" else x.product for x in counted)
        around = near(known, spacing)
        later = start is not None and day.day > start
        new = [x for x in there if later and not (around is not None and (x.voxels & around).any())]
        known += [x for x in there if not any(x is y for y in new)]
        flair = day.regions[WHOLE].volume if WHOLE in day.regions else None
        is_new = any(x.measurable for x in new)
        found.append(Burden(day.day, round(size, 3), bool(there), is_new, flair))
    return found


def _mask(day: Timepoint, enhancing: bool) -> LabelMap | None:
    """What enhances; on a day without any an empty mask, where other days have one."""
    if not enhancing or day.tumour is None:
        return day.regions.get(ENHANCING) if enhancing else day.tumour
    nothing = LabelMap(np.zeros_like(day.tumour.voxels), day.tumour.affine)
    return day.regions.get(ENHANCING, nothing)

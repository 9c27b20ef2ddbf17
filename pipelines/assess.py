"""``flame assess``: RANO ratings of every day of a preprocessed centre, each with its reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.cohort import Patient
from flame.core.files import write_text
from flame.io.assessments import DAYS, PROGRESSED, PROGRESSIONS, RATINGS
from flame.io.tumour_masks import ENHANCING, WHOLE
from flame.models.courses import last_day
from flame.models.rano import (
    Assessment,
    Burden,
    Criteria,
    Progression,
    assess,
    criteria_named,
    progression,
)
from flame.preprocessing.cohort import read_cohort
from flame.preprocessing.lesions import lesions


@dataclass(frozen=True)
class AssessResult:
    """What was written, the ratings by patient, and who could not be assessed and why."""

    ratings: dict[str, list[Assessment]]
    progressions: dict[str, Progression]
    left_out: dict[str, str]


def run(
    centre: Path, criteria: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> AssessResult:
    """Write response.tsv, a row a day, and progression.tsv into the centre's folder.

    Measured is what enhances where such a mask was drawn, else the gross tumour volume. BadInput
    for unknown criteria and for a folder without a finished cohort.
    """
    rules = criteria_named(criteria)
    patients = read_cohort(centre, centre.name, _masks_alone).patients
    ratings, ends, left_out = dict[str, list[Assessment]](), dict[str, Progression](), {}
    for done, patient in enumerate(patients, 1):
        days = list(burdens(patient, rules))
        if len(days) < 2:
            left_out[patient.pseudonym] = "fewer than two days with a tumour mask"
        else:
            found = assess(days, last_day(patient.treatment), rules)
            ratings[patient.pseudonym] = found
            known = patient.outcome
            end = progression(found, known.survival_days if known.died else None)
            if end:
                ends[patient.pseudonym] = end
        progress(done, len(patients))
    _write(centre / RATINGS, [_row(n, a, rules) for n, each in ratings.items() for a in each])
    _write(centre / PROGRESSIONS, [
        {"participant_id": name, DAYS: end.days, PROGRESSED: int(end.progressed),
         "criteria": rules.name}
        for name, end in ends.items()
    ])  # fmt: skip
    return AssessResult(ratings, ends, left_out)


def _row(name: str, found: Assessment, rules: Criteria) -> dict[str, object]:
    return {
        "participant_id": name, "day": found.burden.day, "size": found.burden.size,
        "unit": rules.unit, "baseline": found.baseline, "nadir": found.nadir,
        "change_from_baseline": found.from_baseline, "change_from_nadir": found.from_nadir,
        "new_lesion": int(found.burden.new), "rating": str(found.rating), "why": found.why,
        "criteria": rules.name,
    }  # fmt: skip


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    columns = ["participant_id", DAYS, PROGRESSED, "criteria"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a"))


def _masks_alone(patient: Patient) -> Patient:
    days = (replace(t, scans={}, brain=None, dose=None) for t in patient.timepoints)
    return replace(patient, timepoints=tuple(days))


def burdens(patient: Patient, rules: Criteria) -> Iterator[Burden]:
    """The tumour of each day on which there is a mask, in order."""
    earlier = None
    for day in sorted(patient.timepoints, key=lambda t: t.day):
        mask = day.regions.get(ENHANCING) or day.tumour
        if mask is None:
            continue
        found = lesions(mask, earlier)
        targets = [lesion for lesion in found if lesion.measurable][: rules.targets]
        volume = rules.unit == "ml"
        size = sum(lesion.volume if volume else lesion.product for lesion in targets)
        new = any(lesion.new for lesion in found if lesion.measurable)
        flair = day.regions[WHOLE].volume if WHOLE in day.regions else None
        yield Burden(day.day, round(size, 3), bool(found), new, flair)
        there = mask.voxels > 0
        earlier = there if earlier is None else np.logical_or(earlier, there)

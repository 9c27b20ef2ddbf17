"""Table 1 of a report: what is known of the patients of each hospital."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.evaluation.pages.sections import Section

_CODES = 6
"""Most different whole numbers of a column whose values are codes."""
_ALWAYS = ("age", "sex")
"""Columns that are described wherever they are known."""
Values = NDArray[np.float64]


def characteristics(cohorts: list[Cohort], columns: tuple[str, ...], events: str) -> Section:
    """Describe the analysed patients of each hospital.

    Args:
        cohorts: cohort of each centre.
        columns: clinical columns to describe; those that no patient has are skipped.
        events: word for patients with the outcome that is predicted.

    Returns:
        A section with one row for each characteristic or code, and one column for each hospital and
        for all together. Values that were filled in count as unknown.
    """
    everyone = [p for c in cohorts for p in c.patients]
    groups = [list(c.patients) for c in cohorts]
    groups += [everyone] if len(cohorts) > 1 else []
    rows = [["patients", *(str(len(g)) for g in groups)], *_outcomes(groups, events)]
    for name in dict.fromkeys((*_ALWAYS, *columns)):
        if any(name in p.clinical for p in everyone):
            rows += _rows(name, [np.array([_value(p, name) for p in g]) for g in groups])
    radiations = [[_radiations(p) for p in g] for g in groups]
    for radiation in sorted({r for g in radiations for r in g if r}):
        counts = [Counter(g)[radiation] for g in radiations]
        rows.append([radiation, *(_of(n, len(g)) for n, g in zip(counts, groups, strict=True))])
    note = (
        "Patients (share of those known), or median (quartiles). Columns of few whole numbers have "
        "a row for each code. Values that were missing are unknown here, also where they are "
        "filled in for the models."
    )
    names = [c.centre for c in cohorts] + (["all"] if len(cohorts) > 1 else [])
    return Section("characteristics", "Patients", note, ["characteristic", *names], rows)


def _value(patient: Patient, name: str) -> float:
    return np.nan if name in patient.imputed else patient.clinical.get(name, np.nan)


def _outcomes(groups: list[list[Patient]], events: str) -> list[list[str]]:
    rows = []
    found = {
        events: [[p.outcome.response for p in g] for g in groups],
        "deaths": [[p.outcome.died for p in g] for g in groups],
    }
    for name, values in found.items():
        if name and any(v is not None for v in values[-1]):
            rows.append([name, *(_share(np.array(_numbers(v))) for v in values)])
    days = [np.array(_numbers([p.outcome.survival_days for p in g])) for g in groups]
    if np.isfinite(days[-1]).any():
        rows.append(["days of follow-up", *(_median(d) for d in days)])
    return rows


def _numbers(values: list[bool | None] | list[float | None]) -> list[float]:
    return [np.nan if v is None else float(v) for v in values]


def _rows(name: str, values: list[Values]) -> list[list[str]]:
    """Return the rows of a column: one, or one for each code."""
    codes = np.unique(_known(values[-1]))
    if len(codes) > _CODES or (codes != np.rint(codes)).any():
        return [[name, *(_median(v) for v in values)]]
    if set(codes) <= {0.0, 1.0}:
        return [[name, *(_share(v) for v in values)]]
    unknown = [name, *(_unknown(v).lstrip(", ") for v in values)]
    return [
        *([unknown] if any(unknown[1:]) else []),
        *([f"{name} = {c:g}", *(_share(_is(v, c), told=False) for v in values)] for c in codes),
    ]


def _is(values: Values, code: float) -> Values:
    return np.where(np.isfinite(values), values == code, np.nan)


def _known(values: Values) -> Values:
    return values[np.isfinite(values)]


def _share(values: Values, told: bool = True) -> str:
    known = _known(values)
    return _of(int(known.sum()), len(known)) + (_unknown(values) if told else "")


def _of(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.0f} %)" if total else "unknown"


def _median(values: Values) -> str:
    known = _known(values)
    if not len(known):
        return "unknown"
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g}){_unknown(values)}"


def _unknown(values: Values) -> str:
    missing = int(np.isnan(values).sum())
    return f", {missing} unknown" if 0 < missing < len(values) else ""


def _radiations(patient: Patient) -> str:
    phases = patient.treatment.phases if patient.treatment else ()
    return " + ".join(dict.fromkeys(p.radiation.value for p in phases))

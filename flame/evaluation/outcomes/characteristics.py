"""Table 1 of a report: what is known of the patients of each hospital."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.evaluation.pages.sections import Section


def characteristics(cohorts: list[Cohort], columns: tuple[str, ...]) -> Section:
    """Describe the analysed patients of each hospital.

    Args:
        cohorts: cohort of each centre.
        columns: clinical columns to describe; those that no patient has are skipped.

    Returns:
        A section with one row for each characteristic, and one column for each hospital and for
        all together.
    """
    everyone = [p for c in cohorts for p in c.patients]
    groups = [list(c.patients) for c in cohorts]
    groups += [everyone] if len(cohorts) > 1 else []
    rows = [["patients", *(str(len(g)) for g in groups)]]
    for name in (c for c in columns if any(c in p.clinical for p in everyone)):
        values = [np.array([p.clinical.get(name, np.nan) for p in g]) for g in groups]
        yes_or_no = set(np.unique(_known(values[-1]))) <= {0.0, 1.0}
        describe = _share if yes_or_no else _median
        rows.append([name, *(describe(v) for v in values)])
    radiations = [[_radiations(p) for p in g] for g in groups]
    for radiation in sorted({r for g in radiations for r in g if r}):
        counts = [Counter(g)[radiation] for g in radiations]
        rows.append([radiation, *(_of(n, len(g)) for n, g in zip(counts, groups, strict=True))])
    note = (
        "Numbers of patients (share of those known), or median (quartiles) and number known. "
        "Columns of 0 and 1 count the patients with 1. Unknown values are not filled in here."
    )
    names = [c.centre for c in cohorts] + (["all"] if len(cohorts) > 1 else [])
    return Section("characteristics", "Patients", note, ["characteristic", *names], rows)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def _share(values: NDArray[np.float64]) -> str:
    known = _known(values)
    return f"{_of(int(known.sum()), len(known))}{_unknown(values)}"


def _of(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.0f} %)" if total else "0"


def _median(values: NDArray[np.float64]) -> str:
    known = _known(values)
    if not len(known):
        return "unknown"
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g}){_unknown(values)}"


def _unknown(values: NDArray[np.float64]) -> str:
    missing = int(np.isnan(values).sum())
    return f", {missing} unknown" if missing else ""


def _radiations(patient: Patient) -> str:
    phases = patient.treatment.phases if patient.treatment else ()
    return " + ".join(dict.fromkeys(p.radiation.value for p in phases))

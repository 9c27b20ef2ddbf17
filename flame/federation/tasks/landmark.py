"""Landmark models: inputs up to a day, outcomes after it; patients with the outcome before are out.

Reference:
    Anderson 1983, doi:10.1200/JCO.1983.1.11.710; van Houwelingen 2007,
    doi:10.1111/j.1467-9469.2006.00529.x.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from flame.core.cohort import Cohort, Patient, View
from flame.core.errors import BadInput
from flame.core.treatment import end_day
from flame.federation.config import TrainConfig
from flame.io.tables import alive_at
from flame.io.visits import columns_of, read_visits, visit_features
from flame.preprocessing.cohort.course import before_landmark

NO_PLAN = "no radiotherapy plan from which the landmark counts"
"""Rule: the landmark counts from the last fraction."""
OVER_BEFORE = "died or was last seen by the landmark"
"""Rule: the outcome has to lie after the landmark."""


def landmark_view(config: TrainConfig, view: View | None) -> View | None:
    """Make a view look at no day after the landmark.

    Args:
        config: the configuration of the run.
        view: the view; None: no image is read.

    Returns:
        The view of the patient as known on the landmark.
    """
    if view is None or config.model.landmark_day is None:
        return view
    return lambda patient: view(before_landmark(patient, landmark_of(patient, config)))


def landmark_of(patient: Patient, config: TrainConfig) -> float:
    """Return the landmark of a patient in days from the start; NaN if it is not known.

    Args:
        patient: the patient.
        config: the configuration of the run.

    Returns:
        ``model.landmark_day``, for images counted from the last fraction; 0 without a landmark.
    """
    day = config.model.landmark_day
    if day is None:
        return 0.0
    if config.data.table:
        return float(day)
    return float("nan") if patient.treatment is None else end_day(patient.treatment) + float(day)


def with_visits(cohort: Cohort, config: TrainConfig, folder: Path) -> Cohort:
    """Add the features that come from visits, each up to the landmark of its patient.

    Args:
        cohort: the cohort of a centre.
        config: the configuration of the run.
        folder: folder of the table ``data.visits``.

    Returns:
        The cohort, with features ``visit.NAME``; unchanged if no feature needs visits.

    Raises:
        BadInput: the table is missing or broken.
    """
    features = [f for f in config.features() if f.startswith("visit.")]
    if not features:
        return cohort
    id_column = config.data.id_column if config.data.table else "participant_id"
    path = folder / (config.data.visits or "visits.tsv")
    centre = (config.data.centre_column, cohort.centre)
    visits = read_visits(path, id_column, columns_of(features), centre)
    if not any(p.pseudonym in visits or p.person in visits for p in cohort.patients):
        raise BadInput(f"{path} has no visit of any patient of {cohort.centre}: are the ids alike?")

    def known(patient: Patient) -> Patient:
        name = patient.person or patient.pseudonym
        rows = visits.get(name, visits.get(patient.pseudonym, []))
        found = visit_features(rows, landmark_of(patient, config), features)
        return replace(patient, clinical={**patient.clinical, **found})

    return replace(cohort, patients=tuple(map(known, cohort.patients)))


def included(cohort: Cohort, config: TrainConfig) -> Cohort:
    """Leave out the patients whom ``data.include`` or the landmark excludes, and count them.

    Survival times of the others count from the landmark. A response by ``data.horizon_days`` is
    labelled before that, as its horizon counts from the start.

    Args:
        cohort: the cohort of a centre.
        config: the configuration of the run.

    Returns:
        The cohort, with the numbers excluded.
    """
    patients = list(cohort.patients)
    excluded: dict[str, int] = {}
    for column, (low, high) in config.data.include.items():
        known = [p for p in patients if np.isfinite(p.clinical.get(column, np.nan))]
        inside = [p for p in known if low <= p.clinical[column] <= high]
        excluded[f"{column} unknown"] = len(patients) - len(known)
        excluded[f"{column} outside"] = len(known) - len(inside)
        patients = inside
    if config.model.landmark_day is not None:
        placed = [replace(p, landmark=landmark_of(p, config)) for p in patients]
        excluded[NO_PLAN] = sum(np.isnan(p.landmark) for p in placed)
        placed = [p for p in placed if np.isfinite(p.landmark)]
        patients = [_from_landmark(p) for p in placed if not _is_over(p)]
        excluded[OVER_BEFORE] = len(placed) - len(patients)
    kept = {rule: int(count) for rule, count in excluded.items() if count}
    return replace(cohort, patients=tuple(patients), excluded={**cohort.excluded, **kept})


def with_status(cohort: Cohort, unknown: str) -> Cohort:
    """Decide on patients whose survival time is known and whose status is not.

    Args:
        cohort: the cohort.
        unknown: died (they stay as they are, and count as dead), censored, or left out.

    Returns:
        The cohort; those left out have no known survival.
    """
    if unknown == "died":
        return cohort

    def decided(patient: Patient) -> Patient:
        known = patient.outcome
        if known.survival_days is None or known.died is not None:
            return patient
        if unknown == "censored":
            return replace(patient, outcome=replace(known, died=False))
        return replace(patient, outcome=replace(known, survival_days=None))

    return replace(cohort, patients=tuple(map(decided, cohort.patients)))


def labelled(cohort: Cohort, horizon_days: float | None) -> Cohort:
    """Label who lived beyond a horizon, from the start of follow-up.

    Args:
        cohort: the cohort.
        horizon_days: the horizon; None: responses stay as they were read.

    Returns:
        The cohort.
    """
    if horizon_days is None:
        return cohort
    patients = tuple(
        replace(p, outcome=replace(p.outcome, response=alive_at(horizon_days, p.outcome)))
        for p in cohort.patients
    )
    return replace(cohort, patients=patients)


def _is_over(patient: Patient) -> bool:
    days = patient.outcome.survival_days
    return days is not None and days <= patient.landmark


def _from_landmark(patient: Patient) -> Patient:
    days = patient.outcome.survival_days
    if days is None:
        return patient
    entry = max(patient.outcome.entry_days - patient.landmark, 0.0)
    outcome = replace(patient.outcome, survival_days=days - patient.landmark, entry_days=entry)
    return replace(patient, outcome=outcome)

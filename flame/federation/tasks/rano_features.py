"""RANO ratings up to the landmark as features of a model."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from flame.core.cohort import Patient, View
from flame.models.clinical.burden import by_course
from flame.models.clinical.rano import Criteria, Rating, criteria_named

FEATURES = ("rano.last", "rano.best", "rano.increases")
"""The last rating and the best one (0 CR, 1 PR, 2 SD, 3 PD), and the number of days with growth."""
_CODES = {
    Rating.CR: 0.0,
    Rating.PR: 1.0,
    Rating.SD: 2.0,
    Rating.BASELINE: 2.0,
    Rating.PD: 3.0,
    Rating.UNCONFIRMED: 3.0,
    Rating.NOT_PD: 3.0,
}


def rano_features(patient: Patient, rules: Criteria) -> dict[str, float]:
    """Rate the days up to the landmark, and summarise the ratings.

    Args:
        patient: the patient with tumour masks.
        rules: criteria.

    Returns:
        ``FEATURES`` by name; NaN without a day from the baseline of the criteria on. A rating that
        a scan after the landmark changes is that of before.
    """
    days = tuple(t for t in patient.timepoints if t.day <= patient.landmark)
    first, *_ = by_course(replace(patient, timepoints=days))
    codes = [_CODES[a.rating] for a in first.rated(rules) if a.rating in _CODES]
    if not codes:
        return dict.fromkeys(FEATURES, np.nan)
    values = (codes[-1], min(codes), float(sum(code == 3.0 for code in codes)))
    return dict(zip(FEATURES, values, strict=True))


def with_rano(view: View, features: Iterable[str], criteria: str) -> View:
    """Make a view add the ratings, if a model uses any.

    Args:
        view: the view.
        features: features of the model.
        criteria: name of the criteria.

    Returns:
        The view, or the same one if no feature is of ``FEATURES``.
    """
    if not set(features) & set(FEATURES):
        return view
    rules = criteria_named(criteria)

    def rated(patient: Patient) -> Patient:
        found = rano_features(patient, rules)
        return view(replace(patient, clinical={**patient.clinical, **found}))

    return rated

"""Rules, views and warnings of tasks that learn from one row per patient."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient, View
from flame.core.config import Rule
from flame.federation.config import TrainConfig
from flame.federation.tasks.landmark import landmark_view
from flame.federation.tasks.outside_risk import FEATURES as RISKS
from flame.federation.tasks.outside_risk import with_risk
from flame.federation.tasks.rano_features import FEATURES as RATINGS
from flame.federation.tasks.rano_features import with_rano
from flame.models.response.inputs import Inputs

TELLING_VALUES = 4
"""Number of different values from which on two equal rows are unlikely to be a coincidence."""
OUTLIER_RANGES = 1000.0
"""Outlier threshold, in interquartile ranges from the median."""
UNLIKE_SD = 3.0
"""Distance between medians of centres, in standard deviations, that another unit would explain."""
FEW_VALUES = 6
"""Most different values of a column whose values are codes."""
_REPEATED = 2
"""Least number of times that a code occurs, on average; values that hardly repeat are no codes."""
_OUTCOME_COLUMNS = {"survival_days", "died", "response", "entry_days"}


def outcome_rules(config: TrainConfig) -> Iterator[Rule]:
    """Yield the rule that no outcome is among the features.

    Args:
        config: the configuration of the run.

    Yields:
        Whether the rule holds, and the error message if it does not.
    """
    outcomes = _OUTCOME_COLUMNS | set(config.data.survival)
    yield (
        len(config.data.survival) < 3 or config.task == "survival",
        "data.survival names a delayed entry, which only the task survival can use: a response on "
        "a day counts patients from day 0",
    )
    yield (
        not set(config.features()) & outcomes,
        "model.clinical or baselines hold an outcome, which the model must not know; remove it",
    )


def regression_rules(config: TrainConfig) -> Iterator[Rule]:
    """Yield the rules of regressions: features and no images, and no sums of single patients.

    Args:
        config: the configuration of the run.

    Yields:
        Whether each rule holds, and the error message if it does not.
    """
    model = config.model
    yield (
        (model.clinical or model.treatment) and not model.sequences,
        "a regression has no images: set model.clinical or model.treatment, and remove "
        "model.sequences",
    )
    yield (
        config.regression.stratified or config.privacy.least_patients == 1,
        "regression.stratified = false sends sums at each death, which are those of single "
        "patients: set privacy.least_patients = 1, or regression.stratified = true",
    )


def feature_view(config: TrainConfig) -> View | None:
    """Return the view that reads images and features of the tumour, as the model needs them.

    Args:
        config: the configuration of the run.

    Returns:
        The view: images at ``model.voxel_mm`` if the model has sequences, and radiomic features if
        the model or a baseline names any, with RANO ratings and outside risks likewise. None: no
        image is read.
    """
    # SimpleITK and numba are slow to load, and tables do not need them.
    from flame.preprocessing.cohort.cohort import at_spacing
    from flame.preprocessing.cohort.radiomics import FAMILY_OF, measured

    images = at_spacing(config.model.voxel_mm) if config.model.sequences else None
    families = dict.fromkeys(FAMILY_OF[n] for n in config.features() if n in FAMILY_OF)
    others = set(config.features()) & {*RATINGS, *RISKS}
    if not families and not others:
        return landmark_view(config, images)
    measure = measured(families)
    view = with_rano(
        lambda p: (images or without_images)(measure(p)), config.features(), config.model.criteria
    )
    return landmark_view(config, with_risk(view, config.features()))


def without_images(patient: Patient) -> Patient:
    """Return a patient without imaging days, of whom features have been measured."""
    return replace(patient, timepoints=())


def at_least(count: int, least: int) -> str:
    """Write a count, or that it is small.

    Args:
        count: number of patients, at least 1.
        least: smallest count that may be known.

    Returns:
        The number, or "fewer than" ``least``.

    Example:
        >>> at_least(7, 5), at_least(2, 5)
        ('7', 'fewer than 5')
    """
    return str(count) if count >= least else f"fewer than {least}"


def unknown_status(
    cohorts: list[Cohort], least: int = 1, then: str = "training counts them as dead"
) -> list[str]:
    """Warn of centres where the survival time of patients is known and their status is not.

    Args:
        cohorts: the cohort of each centre.
        least: smallest count that a warning may tell.
        then: what follows for these patients.

    Returns:
        A warning per centre.
    """
    warnings = []
    for cohort in cohorts:
        known = [p.outcome for p in cohort.patients if p.outcome.survival_days is not None]
        unknown = sum(outcome.died is None for outcome in known)
        if unknown:
            warnings.append(
                f"centre {cohort.centre}: the survival status of {at_least(unknown, least)} "
                f"patients is missing; {then}"
            )
    return warnings


def tabular_warnings(patients: list[Inputs], names: tuple[str, ...], least: int = 1) -> list[str]:
    """Warn of duplicate rows, implausible values, and columns that centres code apart.

    Args:
        patients: the patients of each centre.
        names: names of the columns of ``clinical``.
        least: smallest count that a warning may tell.

    Returns:
        The warnings of ``twins``, ``outliers`` and ``coded_apart``.
    """
    return [
        *twins(patients, least),
        *outliers(patients, names, least),
        *coded_apart(patients, names),
    ]


def twins(inputs: list[Inputs], least: int = 1) -> list[str]:
    """Warn of rows of two persons that agree in all features and in survival.

    They may be the same patient, whom both sides of a split could then contain. Rows with fewer
    than ``TELLING_VALUES`` different values are not compared.

    Args:
        inputs: the patients of each centre.
        least: smallest count that a warning may tell.

    Returns:
        A warning for each pair of centres with such rows.
    """
    owners: dict[bytes, tuple[str, str]] = {}
    counts = Counter[tuple[str, str]]()
    for centre in inputs:
        names = centre.persons or centre.pseudonyms
        values = np.column_stack([centre.features, centre.survival_days, centre.died])
        for name, row in zip(names, values, strict=True):
            known = row[np.isfinite(row)]
            if len(np.unique(known)) >= TELLING_VALUES:
                first = owners.setdefault(row.tobytes(), (centre.centre, name))
                if first != (centre.centre, name):
                    counts[first[0], centre.centre] += 1
    return [
        f"{at_least(count, least)} patients of {' and '.join(dict.fromkeys(pair))} agree in every "
        "feature and in survival with another patient: if they are the same person, both sides of "
        "a split may contain that person; keep one row of each person"
        for pair, count in counts.items()
    ]


def outliers(inputs: list[Inputs], names: tuple[str, ...], least: int = 1) -> list[str]:
    """Warn of values far from those of all other patients, such as codes for missing values.

    A value is an outlier if its distance from the median over all centres exceeds
    ``OUTLIER_RANGES`` times the interquartile range.

    Args:
        inputs: the patients of each centre.
        names: names of the columns of ``clinical``.
        least: smallest count that a warning may tell.

    Returns:
        A warning for each centre and column with outliers.

    Example:
        >>> age = np.array([[50.0], [60.0], [70.0], [80.0], [99999.0]])
        >>> empty = np.zeros((5, 0), np.float32)
        >>> ones = np.ones(5)
        >>> centre = Inputs("UCSF", tuple("abcde"), empty, age, empty, ones, ones, ones)
        >>> len(outliers([centre], ("age",)))
        1
    """
    clinical = np.concatenate([centre.clinical for centre in inputs])
    warnings = []
    for column, name in enumerate(names):
        low, middle, high = np.nanquantile(clinical[:, column], [0.25, 0.5, 0.75])
        for centre in inputs:
            distance = np.abs(centre.clinical[:, column] - middle)
            count = int((distance > OUTLIER_RANGES * (high - low)).sum()) if high > low else 0
            if count:
                warnings.append(
                    f"centre {centre.centre}: {at_least(count, least)} patients have a '{name}' "
                    f"more than {OUTLIER_RANGES:g} interquartile ranges from the median: leave the "
                    "cell empty if the value is a code for a missing value"
                )
    return warnings


def coded_apart(inputs: list[Inputs], names: tuple[str, ...]) -> list[str]:
    """Warn of columns of tables that centres seem to code differently, or to have in other units.

    A centre with few different values is unlike the others if it lacks one of theirs and has one
    that they lack, as 1 and 2 where others have 0 and 1. With many values it is unlike them if its
    median is more than ``UNLIKE_SD`` standard deviations from theirs, by the quartiles.

    Args:
        inputs: the patients of each centre.
        names: names of the columns of ``clinical``.

    Returns:
        A warning for each centre and column.

    Example:
        >>> empty = np.zeros((4, 0), np.float32)
        >>> def centre(name, sex):
        ...     ones = np.ones(4)
        ...     column = np.array(sex, float)[:, None]
        ...     return Inputs(name, tuple("abcd"), empty, column, empty, ones, ones, ones)
        >>> len(coded_apart([centre("A", [0, 1, 0, 1]), centre("B", [1, 2, 1, 2])], ("sex",)))
        2
    """
    from flame.preprocessing.cohort.radiomics import FAMILY_OF

    warnings = []
    for column, name in enumerate(names):
        if name in FAMILY_OF or name.startswith("visit."):
            continue  # measured by FLAME in one way everywhere, or at other days
        by_centre = [c.clinical[np.isfinite(c.clinical[:, column]), column] for c in inputs]
        for place, values in enumerate(by_centre):
            others = np.concatenate([v for n, v in enumerate(by_centre) if n != place] or [[]])
            if len(values) and len(others) and _is_unlike(values, others):
                warnings.append(
                    f"centre {inputs[place].centre}: '{name}' is unlike that of the other centres: "
                    "check its codes and unit, and declare them in data.categories or data.units"
                )
    return warnings


def _is_unlike(values: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    own, theirs = set(values), set(others)
    if max(len(own), len(theirs)) <= FEW_VALUES and len(values) >= _REPEATED * len(own):
        return bool(own - theirs and theirs - own)
    low, middle, high = np.quantile(others, [0.25, 0.5, 0.75])
    return bool(abs(np.median(values) - middle) > UNLIKE_SD * max(high - low, 1e-12) / 1.349)

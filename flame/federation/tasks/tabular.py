"""What tasks that learn from one row a patient share: rules, views and warnings."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from flame.core.cohort import Cohort, Patient
from flame.federation.config import TrainConfig
from flame.federation.task import Rule, View
from flame.models.response.inputs import Inputs

TELLING_VALUES = 4
"""Different values in a row from which on two alike rows are hardly a coincidence."""
OUTLIER_RANGES = 1000.0
"""Outlier threshold, in interquartile ranges from the median."""
_OUTCOME_COLUMNS = {"survival_days", "died", "response"}


def outcome_rules(config: TrainConfig) -> Iterator[Rule]:
    """No outcome may be among the features."""
    hidden = _OUTCOME_COLUMNS | set(config.data.survival)
    yield (
        not set(config.features()) & hidden,
        "model.clinical or baselines hold an outcome: it would be known to the model",
    )


def regression_rules(config: TrainConfig) -> Iterator[Rule]:
    """A regression reads features and no images."""
    model = config.model
    yield (
        (model.clinical or model.treatment) and not model.sequences,
        "a regression: set model.clinical or treatment, and no model.sequences",
    )
    yield (
        config.regression.stratified or config.privacy.least_patients == 1,
        "regression.stratified = false sends sums at each death, which are those of single "
        "patients: not with privacy.least_patients above 1",
    )


def feature_view(config: TrainConfig) -> View | None:
    """Images at ``model.voxel_mm`` where the model reads any, and features of the tumour."""
    # SimpleITK and numba are slow to load, and tables do without.
    from flame.preprocessing.cohort.cohort import at_spacing
    from flame.preprocessing.cohort.radiomics import FAMILY_OF, measured

    images = at_spacing(config.model.voxel_mm) if config.model.sequences else None
    families = dict.fromkeys(FAMILY_OF[n] for n in config.features() if n in FAMILY_OF)
    if not families:
        return images
    return lambda patient: (images or _without_images)(measured(families)(patient))


def _without_images(patient: Patient) -> Patient:
    return replace(patient, timepoints=())


def unknown_status(cohorts: list[Cohort]) -> list[str]:
    """A warning for each centre where it is not known whether patients died."""
    warnings = []
    for cohort in cohorts:
        known = [p.outcome for p in cohort.patients if p.outcome.survival_days is not None]
        unknown = sum(outcome.died is None for outcome in known)
        if unknown:
            warnings.append(
                f"centre {cohort.centre}: it is not known whether {unknown} patients died; they "
                "count as dead"
            )
    return warnings


def tabular_warnings(patients: list[Inputs], names: tuple[str, ...]) -> list[str]:
    """Warnings of rows that are alike, and of values that are no measurement."""
    return [*twins(patients), *outliers(patients, names)]


def twins(inputs: list[Inputs]) -> list[str]:
    """A warning where rows of two persons agree in everything, as those of one patient would."""
    seen: dict[bytes, tuple[str, str]] = {}
    counts = Counter[tuple[str, str]]()
    for centre in inputs:
        names = centre.persons or centre.pseudonyms
        values = np.column_stack([centre.features, centre.survival_days, centre.died])
        for name, row in zip(names, values, strict=True):
            known = row[np.isfinite(row)]
            if len(np.unique(known)) >= TELLING_VALUES:
                first = seen.setdefault(row.tobytes(), (centre.centre, name))
                if first != (centre.centre, name):
                    counts[first[0], centre.centre] += 1
    return [
        f"{count} patients of {' and '.join(dict.fromkeys(pair))} agree in every feature and in "
        "survival with another one: if they are the same people, they are on both sides of a "
        "split; keep one of each"
        for pair, count in counts.items()
    ]


def outliers(inputs: list[Inputs], names: tuple[str, ...]) -> list[str]:
    """A warning for values that no other patient comes near, as codes for 'not computed' do."""
    everyone = np.concatenate([centre.clinical for centre in inputs])
    warnings = []
    for column, name in enumerate(names):
        low, middle, high = np.nanquantile(everyone[:, column], [0.25, 0.5, 0.75])
        for centre in inputs:
            distance = np.abs(centre.clinical[:, column] - middle)
            count = int((distance > OUTLIER_RANGES * (high - low)).sum()) if high > low else 0
            if count:
                warnings.append(
                    f"centre {centre.centre}: {count} patients have a '{name}' more than "
                    f"{OUTLIER_RANGES:g} times as far out as others: a code for 'not known'? leave "
                    "such cells empty"
                )
    return warnings

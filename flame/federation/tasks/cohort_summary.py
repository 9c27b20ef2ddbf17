"""Who a run learns from, centre by centre, and what is wrong with that."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.federation.config import TrainConfig
from flame.federation.task import Patients
from flame.models.evolution.model import EvolutionCase
from flame.models.evolution.out_of_distribution import radiation_counts
from flame.models.response.inputs import Followed, Inputs
from flame.models.segmentation.case_table import Cases

Row = dict[str, str | int]
_LEAST_TRAINING = 2
_CALIBRATING = 19
"""Patients of whom a 5 % and a 95 % quantile exist."""
_TELLING = 4
"""Different values in a row from which on two alike are hardly a coincidence."""
_FAR = 1000.0
"""Quartile ranges from the median from which on a value is no measurement like the others."""
_CONFOUNDED = 0.5
"""Cramér's V of centre and radiation above which a run is said to be confounded."""


def describe(
    config: TrainConfig, cohorts: list[Cohort], patients: list[Any]
) -> tuple[list[Row], list[str]]:
    """Rows of a table, one a centre, and warnings; BadInput where nothing can be learnt."""
    for centre in patients:
        _enough(centre, config.training.folds)
        if config.task == "evolution":
            _enough_to_calibrate(centre, config.training.folds)
    if config.is_tabular:
        outcome = _responders if config.task == "response" else _survivors
        rows, warnings = outcome(patients)
        found = [*warnings, *twins(patients), *far_out(patients, config.model.clinical)]
        return rows, [*_unknown_status(cohorts), *found]
    rows, warnings = _followed(config.task, cohorts, patients)
    known = sum(len(p.labelled) for p in patients)
    if config.task == "evolution" and known // config.evolution.calibration < _CALIBRATING:
        warnings.append(
            f"{known // config.evolution.calibration} patients calibrate the 90 % band of the "
            f"federated model: with fewer than {_CALIBRATING} it can cover less"
        )
    return rows, warnings


def _enough(patients: Patients, folds: int) -> None:
    persons = patients.persons or patients.pseudonyms
    known = len({persons[i] for i in patients.labelled})
    if known < folds:
        raise BadInput(
            f"centre {patients.centre} has {known} patients to learn from, fewer than "
            f"training.folds = {folds}; lower training.folds or leave the centre out"
        )


def _enough_to_calibrate(patients: Patients, folds: int) -> None:
    known = len(patients.labelled)
    if known - -(-known // folds) < _LEAST_TRAINING:
        raise BadInput(
            f"centre {patients.centre} has {known} patients with follow-up: with a fold held out "
            f"fewer than {_LEAST_TRAINING} are left to train and to calibrate; leave the centre out"
        )


def _responders(inputs: list[Inputs]) -> tuple[list[Row], list[str]]:
    rows, warnings = list[Row](), []
    for centre in inputs:
        patients = len(centre.labelled)
        responders = int(centre.response[centre.labelled].sum())
        rows.append({"centre": centre.centre, "patients": patients, "responders": responders})
        if responders in (0, patients):
            warnings.append(
                f"centre {centre.centre} has {responders} responders among {patients} patients: "
                "its AUC is undefined and its local model can only learn one answer"
            )
    if len(warnings) == len(inputs):
        raise BadInput("no centre has both responders and non-responders: nothing can be learnt")
    return rows, warnings


def _unknown_status(cohorts: list[Cohort]) -> list[str]:
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


def twins(inputs: list[Inputs]) -> list[str]:
    """A warning where rows of two persons agree in everything, as those of one patient would."""
    seen: dict[bytes, tuple[str, str]] = {}
    found = Counter[tuple[str, str]]()
    for centre in inputs:
        names = centre.persons or centre.pseudonyms
        values = np.column_stack([centre.features, centre.survival_days, centre.died])
        for name, row in zip(names, values, strict=True):
            known = row[np.isfinite(row)]
            if len(np.unique(known)) >= _TELLING:
                first = seen.setdefault(row.tobytes(), (centre.centre, name))
                if first != (centre.centre, name):
                    found[first[0], centre.centre] += 1
    return [
        f"{count} patients of {' and '.join(dict.fromkeys(pair))} agree in every feature and in "
        "survival with another one: if they are the same people, they are on both sides of a "
        "split; keep one of each"
        for pair, count in found.items()
    ]


def far_out(inputs: list[Inputs], names: tuple[str, ...]) -> list[str]:
    """A warning for values that no other patient comes near, as codes for 'not computed' do."""
    everyone, warnings = np.concatenate([centre.clinical for centre in inputs]), []
    for column, name in enumerate(names):
        low, middle, high = np.nanquantile(everyone[:, column], [0.25, 0.5, 0.75])
        for centre in inputs:
            away = np.abs(centre.clinical[:, column] - middle)
            count = int((away > _FAR * (high - low)).sum()) if high > low else 0
            if count:
                warnings.append(
                    f"centre {centre.centre}: {count} patients have a '{name}' more than {_FAR:g} "
                    "times as far out as others: a code for 'not known'? leave such cells empty"
                )
    return warnings


def _survivors(inputs: list[Followed]) -> tuple[list[Row], list[str]]:
    rows, warnings = list[Row](), []
    for centre in inputs:
        deaths = int(centre.died[centre.labelled].sum())
        rows.append({"centre": centre.centre, "patients": len(centre.labelled), "deaths": deaths})
        if not deaths:
            warnings.append(f"centre {centre.centre}: nobody died: its C-index is undefined")
    if not any(row["deaths"] for row in rows):
        raise BadInput("nobody died at any centre: nothing can be learnt of survival")
    return rows, warnings


def _followed(task: str, cohorts: list[Cohort], patients: list[Any]) -> tuple[list[Row], list[str]]:
    rows, warnings = list[Row](), list[str]()
    for cohort, centre in zip(cohorts, patients, strict=True):
        row: Row = {
            "centre": centre.centre,
            "patients": len(centre.labelled),
            "left out": len(centre.left_out),
        }
        for reason, count in Counter(centre.left_out).items():
            warnings.append(f"centre {centre.centre}: {count} patients left out: {reason}")
        if task == "evolution":
            row |= {str(r): int(n) for r, n in zip(Radiation, _given(centre), strict=True)}
            days = sum(t.predicted for p in cohort.patients for t in p.timepoints)
            if days:
                warnings.append(f"centre {centre.centre}: a model, not a person, drew {days} days")
        rows.append(row)
    if task == "evolution":
        warnings += confounding(np.array([_given(p) for p in patients]))
    return rows, warnings


def _given(patients: Cases[EvolutionCase]) -> NDArray[np.float64]:
    """Patients by Radiation."""
    return radiation_counts(patients.flat)


def confounding(table: NDArray[np.float64]) -> list[str]:
    """A warning where the centre tells the radiation, or where there is one radiation only.

    ``table`` counts patients by centre and Radiation.
    """
    given = table.sum(axis=0) > 0
    if given.sum() < 2:
        return [
            "all patients had one radiation: forecasts under another are extrapolated from "
            "physics alone"
        ]
    if len(table) < 2 or cramers_v(table[:, given]) <= _CONFOUNDED:
        return []
    return [
        "radiation and centre are confounded (one centre gives mostly one radiation): what "
        "differs between centres may pass for an effect of radiation; do not trust forecasts "
        "under another radiation than the one given"
    ]


def cramers_v(table: NDArray[Any]) -> float:
    """Association of the rows and columns of a table of counts, 0 to 1 (Cramér 1946)."""
    total = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    chi2 = float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    return float(np.sqrt(chi2 / total / (min(table.shape) - 1)))

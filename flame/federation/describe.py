"""Who a run learns from, centre by centre, and what is wrong with that."""

from collections import Counter
from typing import Any

import numpy as np

from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.federation.config import TrainConfig
from flame.federation.task import Patients
from flame.models.courses import main_radiation
from flame.models.inputs import Inputs

Row = dict[str, str | int]
_CONFOUNDED = 0.5
"""Cramér's V of centre and radiation above which a run is said to be confounded."""


def describe(
    config: TrainConfig, cohorts: list[Cohort], patients: list[Any]
) -> tuple[list[Row], list[str]]:
    """Rows of a table, one a centre, and warnings; BadInput where nothing can be learnt."""
    for centre in patients:
        _enough(centre, config.training.folds)
    if config.task == "response":
        return _responders(patients)
    return _followed(config.task, cohorts, patients)


def _enough(patients: Patients, folds: int) -> None:
    known = len(patients.labelled)
    if known < folds:
        raise BadInput(
            f"centre {patients.centre} has {known} patients to learn from, fewer than "
            f"training.folds = {folds}; lower training.folds or leave the centre out"
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


def _followed(task: str, cohorts: list[Cohort], patients: list[Any]) -> tuple[list[Row], list[str]]:
    rows, warnings = list[Row](), list[str]()
    for cohort, centre in zip(cohorts, patients, strict=True):
        row: Row = {"centre": centre.centre, "patients": len(centre.labelled),
                    "left out": len(centre.left_out)}  # fmt: skip
        if centre.left_out:
            reasons = "; ".join(sorted(set(centre.left_out))[:3])
            warnings.append(f"centre {centre.centre}: {len(centre.left_out)} left out ({reasons})")
        if task == "evolution":
            given = radiations(cohort.patients)
            row |= {str(r): given[r] for r in Radiation}
        rows.append(row)
    if task == "evolution":
        warnings += confounding(cohorts)
    return rows, warnings


def radiations(patients: tuple[Patient, ...]) -> Counter[Radiation]:
    """Patients by the radiation that their course is named after."""
    return Counter(main_radiation(p.treatment) for p in patients if p.treatment)


def confounding(cohorts: list[Cohort]) -> list[str]:
    """A warning where the centre tells the radiation, or where there is one radiation only."""
    table = np.array([[radiations(c.patients)[r] for r in Radiation] for c in cohorts], float)
    given = table.sum(axis=0) > 0
    if given.sum() < 2:
        return ["all patients had one radiation: forecasts under another are extrapolated from "
                "physics alone"]  # fmt: skip
    if len(cohorts) < 2 or cramers_v(table[:, given]) <= _CONFOUNDED:
        return []
    return ["radiation and centre are confounded (one centre gives mostly one radiation): what "
            "differs between centres may pass for an effect of radiation; do not trust forecasts "
            "under another radiation than the one given"]  # fmt: skip


def cramers_v(table: np.ndarray) -> float:
    """Association of the rows and columns of a table of counts, 0 to 1 (Cramér 1946)."""
    total = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    chi2 = float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    return float(np.sqrt(chi2 / total / (min(table.shape) - 1)))

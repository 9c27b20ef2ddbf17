"""The cohorts of a run, centre by centre: counts, and warnings about the data."""

from typing import Any

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.federation.task import Patients, Row, Task


def summarise_cohorts(
    task: Task[Any], cohorts: list[Cohort], patients: list[Any]
) -> tuple[list[Row], list[str]]:
    """Count the patients of each centre, and check that the run can learn from them.

    Args:
        task: the task of the run.
        cohorts: the cohort of each centre.
        patients: each cohort as the task sees it, in the same order.

    Returns:
        A row of counts per centre, and warnings about the data.

    Raises:
        BadInput: a centre has fewer labelled patients than ``training.folds``, or nothing can be
            learned.
    """
    for centre in patients:
        _check_size(centre, task.config.training.folds)
    rows, warnings = task.summary(cohorts, patients)
    return rows, [*left_out_by_rule(cohorts), *warnings]


def left_out_by_rule(cohorts: list[Cohort]) -> list[str]:
    """Say how many patients the definition of the cohort leaves out.

    Args:
        cohorts: the cohort of each centre.

    Returns:
        A sentence per centre and rule.
    """
    return [
        f"centre {cohort.centre}: {count} patients left out: {rule}"
        for cohort in cohorts
        for rule, count in cohort.excluded.items()
    ]


def _check_size(patients: Patients, folds: int) -> None:
    persons = patients.persons or patients.pseudonyms
    count = len({persons[i] for i in patients.labelled})
    if count < folds:
        raise BadInput(
            f"centre {patients.centre} has {count} patients to learn from, fewer than "
            f"training.folds = {folds}; lower training.folds or leave the centre out"
        )

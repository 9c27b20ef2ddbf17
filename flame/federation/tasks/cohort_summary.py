"""Who a run learns from, centre by centre, and what is wrong with that."""

from typing import Any

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.federation.task import Patients, Row, Task


def summarise_cohorts(
    task: Task[Any], cohorts: list[Cohort], patients: list[Any]
) -> tuple[list[Row], list[str]]:
    """Rows of a table, one a centre, and warnings.

    Args:
        task: the task of the run.
        cohorts: the cohort of each centre.
        patients: what the task sees of each cohort.

    Raises:
        BadInput: a centre has too few patients, or nothing can be learned.
    """
    for centre in patients:
        _enough(centre, task.config.training.folds)
    return task.summary(cohorts, patients)


def _enough(patients: Patients, folds: int) -> None:
    persons = patients.persons or patients.pseudonyms
    known = len({persons[i] for i in patients.labelled})
    if known < folds:
        raise BadInput(
            f"centre {patients.centre} has {known} patients to learn from, fewer than "
            f"training.folds = {folds}; lower training.folds or leave the centre out"
        )

"""Builds the report content of tasks on masks and on forecasts."""

from collections.abc import Iterable, Sequence

import pandas as pd

from flame.core.scores import GeneralisationReport
from flame.evaluation.evaluations import Evaluated, FinishedRun
from flame.evaluation.images.scores import differences, scores, strata
from flame.evaluation.images.sections import image_sections
from flame.evaluation.pages.sections import Evaluation
from flame.federation.tasks.cohort_summary import summarise_cohorts


def evaluated(
    run: FinishedRun,
    rows: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    baselines: Sequence[str],
) -> Evaluated:
    """Build the report content from one row for each model, patient and day.

    Args:
        run: the finished run.
        rows: tables of ``patient_scores``, joined, with a column for each metric and stratum of
            the task.
        pairs: names of two models that are compared; the second is subtracted from the first.
        baselines: names of models that the federation did not train.

    Returns:
        The report content, and the table ``strata``: metrics by stratum, see ``scores.strata``.
    """
    task = run.task
    report = GeneralisationReport(
        run.config.data.centres,
        tuple(scores(task.metrics, rows)),
        tuple(differences(task.metrics, pairs, rows)),
        task.metrics[0],
        run.cohorts[0].simulated,
    )
    counts, warnings = summarise_cohorts(task, run.cohorts, run.patients)
    parts = strata(task.strata, task.metrics, baselines, rows)
    sections = image_sections(task, rows, parts)
    limits = list(task.texts().limits)
    return Evaluated(
        Evaluation(task, report, counts, sections, limits, warnings), {"strata": parts}
    )

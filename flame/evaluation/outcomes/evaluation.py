"""Evaluates predictions of response or survival at each centre."""

from dataclasses import replace
from typing import Any

import pandas as pd

from flame.core.cohort import Cohort
from flame.core.progress import Progress
from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.evaluations import EVALUATIONS, Evaluated, FinishedRun
from flame.evaluation.outcomes.adaptation import adaptation
from flame.evaluation.outcomes.baselines import baseline_predictions
from flame.evaluation.outcomes.case import case_section
from flame.evaluation.outcomes.characteristics import characteristics
from flame.evaluation.outcomes.effects import feature_effects
from flame.evaluation.outcomes.flow import flow_section
from flame.evaluation.outcomes.hazards import hazard_section
from flame.evaluation.outcomes.membership import membership
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.evaluation.outcomes.outcome import OUTCOMES
from flame.evaluation.outcomes.scores import differences, scores
from flame.evaluation.outcomes.sections import limits, outcome_sections
from flame.evaluation.outcomes.shortcut import probe
from flame.evaluation.outcomes.subgroups import subgroups
from flame.evaluation.pages.sections import Evaluation
from flame.federation.tasks.cohort_summary import summarise_cohorts


@EVALUATIONS.register("outcomes")
def evaluate_outcomes(run: FinishedRun, progress: Progress) -> Evaluated:
    """Evaluate a task that predicts one number for each patient.

    Args:
        run: the finished run.
        progress: called with the number of predictions scored and their total.

    Returns:
        Content of the report, and the tables ``subgroups`` and, for probabilities, ``adaptation``.
    """
    config = run.config
    task = run.task
    inputs = run.patients
    outcome = OUTCOMES[task.outcome]
    predictor = Predictor(config, run.folder.path, inputs)
    analysed = [of_inputs(c, i) for c, i in zip(run.cohorts, inputs, strict=True)]
    baselines = baseline_predictions(config, outcome, analysed)
    predictions = [*predictor.all(), *baselines]
    metrics = tuple(dict.fromkeys((*task.metrics, *config.evaluation.metrics)))
    centre_scores = list[CentreScore]()
    for done, prediction in enumerate(predictions, 1):
        centre_scores += scores(outcome, metrics, prediction, inputs)
        progress(done, len(predictions))
    baseline_names = dict.fromkeys(b.model for b in baselines)
    report = GeneralisationReport(
        config.data.centres,
        tuple(centre_scores),
        tuple(
            differences(outcome, predictions, inputs, baseline_names, run.config.federation.compare)
        ),
        outcome.metric,
        run.cohorts[0].simulated,
    )
    counts, warnings = summarise_cohorts(task, run.cohorts, inputs)
    groups = subgroups(outcome, predictions, inputs, run.cohorts)
    adapted = adaptation(predictor) if outcome.is_probability else pd.DataFrame()
    sections = outcome_sections(
        config,
        outcome,
        predictions,
        inputs,
        groups,
        probe(outcome, predictions, inputs),
        feature_effects(config, run.folder.path, inputs),
        membership(predictor) if outcome.is_probability else {},
        adapted,
    )
    table_1 = characteristics(analysed, config.model.clinical, task.texts().events)
    sections = [flow_section(run.cohorts, inputs), table_1, *sections]
    if not outcome.is_probability:
        sections.append(hazard_section(predictions, inputs))
    sections += case_section(run, predictor.task)
    tables = {"subgroups": groups} | ({} if adapted.empty else {"adaptation": adapted})
    return Evaluated(Evaluation(task, report, counts, sections, limits(task), warnings), tables)


def of_inputs(cohort: Cohort, inputs: Any) -> Cohort:
    """Restrict a cohort to the patients that a task uses, in the order of its rows.

    Args:
        cohort: cohort of a centre.
        inputs: rows of the task for that centre.

    Returns:
        The cohort of these patients.
    """
    by_name = {p.pseudonym: p for p in cohort.patients}
    return replace(cohort, patients=tuple(by_name[name] for name in inputs.pseudonyms))

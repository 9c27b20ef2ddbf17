"""``flame evaluate``: per-centre generalisation of a run, as tables and an offline report."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from flame.core.cohort import Cohort
from flame.core.files import write_text
from flame.core.imaging import Scan, Sequence
from flame.core.scores import GeneralisationReport
from flame.federation.config import TrainConfig
from flame.pipelines.train import check_data, federated_model, load_run
from flame.preprocessing.cohort.cohort import at_spacing, read_cohort

if TYPE_CHECKING:
    from flame.evaluation.pages.page import Section
    from flame.evaluation.pages.report import Evaluation

    Evaluated = tuple[Evaluation, dict[str, pd.DataFrame]]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EvaluateResult:
    """Scores and where they were written."""

    report: GeneralisationReport
    scores: Path
    html: Path


def run(run_folder: Path, progress: Progress = lambda done, total: None) -> EvaluateResult:
    """Write what is known of a run into its folder, and report.html to look at it.

    scores.csv has every model at every centre, differences.csv the paired differences,
    generalisation.csv a row a centre held out, over_centres.csv a row a model over all centres.
    Of forecasts and masks also strata.csv, of response and survival subgroups.csv,
    of response adaptation.csv.
    Raises BadInput where training has not finished or the data changed since.
    """
    from flame.evaluation.metrics.generalisation import as_table, by_centre, over_centres_table
    from flame.evaluation.pages.model_card import model_card
    from flame.evaluation.pages.report import render
    from flame.federation.tasks.cohorts import load_cohort

    config = load_run(run_folder)
    cohorts = [load_cohort(config, centre) for centre in config.data.centres]
    check_data(run_folder, cohorts)
    evaluate = _outcomes if config.is_tabular else _images
    evaluation, extra = evaluate(config, run_folder, cohorts, progress)
    report = evaluation.report
    tables = {
        "scores": as_table(report.scores),
        "differences": as_table(report.differences),
        "generalisation": by_centre(report, config.evaluation.margin),
        "over_centres": over_centres_table(report),
        **extra,
    }
    for name, table in tables.items():
        write_text(run_folder / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    write_text(run_folder / "model_card.md", model_card(evaluation))
    result = EvaluateResult(report, run_folder / "scores.csv", run_folder / "report.html")
    write_text(result.html, render(evaluation))
    return result


def _outcomes(
    config: TrainConfig, run_folder: Path, cohorts: list[Cohort], progress: Progress
) -> "Evaluated":
    from flame.evaluation.outcomes.adaptation import adaptation
    from flame.evaluation.outcomes.baselines import baseline_predictions
    from flame.evaluation.outcomes.effects import feature_effects
    from flame.evaluation.outcomes.membership import membership
    from flame.evaluation.outcomes.out_of_fold import Predictor
    from flame.evaluation.outcomes.scores import OUTCOMES, differences, scores
    from flame.evaluation.outcomes.sections import cohort_rows, limits, outcome_sections
    from flame.evaluation.outcomes.shortcut import probe
    from flame.evaluation.outcomes.subgroups import subgroups
    from flame.evaluation.pages.report import Evaluation
    from flame.federation.task import open_task
    from flame.federation.tasks.cohort_summary import describe

    task = open_task(config)
    inputs = [task.patients(cohort) for cohort in cohorts]
    predictor = Predictor(config, run_folder, inputs)
    predictions = predictor.all()
    baselines = baseline_predictions(
        config, [_of(c, i) for c, i in zip(cohorts, inputs, strict=True)]
    )
    predictions += baselines
    found = []
    for done, prediction in enumerate(predictions, 1):
        found += scores(config.task, prediction, inputs)
        progress(done, len(predictions))
    gaps = differences(config.task, predictions, inputs, dict.fromkeys(b.model for b in baselines))
    report = GeneralisationReport(
        config.data.centres,
        tuple(found),
        tuple(gaps),
        OUTCOMES[config.task].metric,
        cohorts[0].simulated,
    )
    counts, warnings = describe(config, cohorts, inputs)
    groups = subgroups(config.task, predictions, inputs, cohorts)
    adapted = adaptation(predictor) if config.task == "response" else pd.DataFrame()
    sections = outcome_sections(
        config,
        predictions,
        inputs,
        groups,
        probe(config.task, predictions, inputs),
        feature_effects(config, run_folder, inputs),
        membership(predictor) if config.task == "response" else {},
        adapted,
    )
    sections += _case_section(config, run_folder, cohorts[0])
    rows = cohort_rows(counts, cohorts)
    tables = {"subgroups": groups} | ({} if adapted.empty else {"adaptation": adapted})
    return Evaluation(config, report, rows, sections, limits(config), warnings), tables


def _of(cohort: Cohort, inputs: Any) -> Cohort:
    """The patients of a cohort that a task took, row by row as in its inputs."""
    by_name = {p.pseudonym: p for p in cohort.patients}
    return replace(cohort, patients=tuple(by_name[name] for name in inputs.pseudonyms))


def _images(
    config: TrainConfig, run_folder: Path, cohorts: list[Cohort], progress: Progress
) -> "Evaluated":
    from flame.evaluation.images.scores import METRICS, differences, patient_scores, scores, strata
    from flame.evaluation.images.sections import LIMITS, image_sections
    from flame.evaluation.pages.report import Evaluation
    from flame.federation.task import open_task
    from flame.federation.tasks.cohort_summary import describe

    task = open_task(config)
    by_centre = [task.patients(cohort) for cohort in cohorts]
    rows = patient_scores(config, run_folder, by_centre, progress)
    report = GeneralisationReport(
        config.data.centres,
        tuple(scores(config.task, rows)),
        tuple(differences(config.task, rows)),
        METRICS[config.task][0],
        cohorts[0].simulated,
    )
    counts, warnings = describe(config, cohorts, by_centre)
    parts = strata(config.task, rows)
    sections = image_sections(config.task, rows, parts)
    return Evaluation(config, report, counts, sections, LIMITS[config.task], warnings), {
        "strata": parts
    }


def _case_section(config: TrainConfig, run_folder: Path, cohort: Cohort) -> "list[Section]":
    """One case with what the model looks at; a simulated one, as images stay at their centre."""
    from markupsafe import Markup

    from flame.evaluation.pages.figures import case_figure
    from flame.evaluation.pages.page import Section

    if not (cohort.simulated and config.model.sequences):
        return []
    shown = read_cohort(
        Path(config.data.bids) / cohort.centre, cohort.centre, at_spacing(2.0), limit=1
    )
    baseline = shown.patients[0].baseline
    order = (Sequence.FLAIR, Sequence.T2, Sequence.T1, Sequence.T1C)
    scans = [baseline.scans[s] for s in order if s in baseline.scans] if baseline else []
    if not scans:
        return []
    relevance = _relevance(config, run_folder, cohort)
    note = (
        "Preprocessed images of one simulated patient before radiotherapy, in MNI152 space. "
        f"Colours: red where hiding the image lowers the probability of response, by "
        f"{np.abs(relevance.voxels).max():.3f} at most, blue where it raises it."
    )
    figure = Markup(case_figure(scans, relevance))
    return [Section("case", "A case as the model sees it", note, figure=figure)]


def _relevance(config: TrainConfig, run_folder: Path, cohort: Cohort) -> Scan:
    from flame.evaluation.images.occlusion import occlusion
    from flame.federation.task import open_task
    from flame.models.response.inputs import inputs_of

    task: Any = open_task(config)
    inputs = inputs_of(replace(cohort, patients=cohort.patients[:1]), config.model)
    checkpoint = federated_model(run_folder, config, config.training.seeds[0])
    found = occlusion(
        lambda p: task.predict(p, checkpoint.state.weights, checkpoint.shared), inputs
    )
    baseline = cohort.patients[0].baseline
    assert baseline is not None
    scan = next(iter(baseline.scans.values()))
    return replace(scan, voxels=found)

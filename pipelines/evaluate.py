"""``flame evaluate``: per-centre generalisation of a run, as tables and an offline report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flame.core.cohort import Cohort
from flame.core.files import write_text
from flame.core.imaging import Scan, Sequence
from flame.core.scores import GeneralisationReport
from flame.federation.config import TABULAR, TrainConfig
from flame.pipelines.train import check_data, load_run
from flame.preprocessing.cohort import at_spacing, read_cohort

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EvaluateResult:
    """Scores and where they were written; ``metric`` is the one to show first."""

    report: GeneralisationReport
    scores: Path
    html: Path
    metric: str = "auc"


def run(run_folder: Path, progress: Progress = lambda done, total: None) -> EvaluateResult:
    """Write scores.csv, differences.csv and report.html into the run folder.

    Of forecasts also strata.csv, every figure by horizon and trend; of masks by region.
    Raises BadInput where training has not finished or the data changed since.
    """
    from flame.federation.data import load_cohort

    config = load_run(run_folder)
    cohorts = [load_cohort(config, centre) for centre in config.data.centres]
    check_data(run_folder, cohorts)
    evaluate = _tabular if config.task in TABULAR else _images
    return evaluate(config, run_folder, cohorts, progress)


def _tabular(
    config: TrainConfig, run_folder: Path, cohorts: list[Cohort], progress: Progress
) -> EvaluateResult:
    from flame.evaluation.baselines import baseline_predictions
    from flame.evaluation.generalisation import as_table, differences, score
    from flame.evaluation.predictions import Predictor
    from flame.evaluation.report import METRIC, Evaluation, render
    from flame.federation.task import open_task

    task = open_task(config)
    inputs = [task.patients(cohort) for cohort in cohorts]
    predictions = Predictor(config, run_folder, inputs).all()
    predictions += baseline_predictions(config, cohorts)
    by_centre = {i.centre: i for i in inputs}
    scores = []
    for done, prediction in enumerate(predictions, 1):
        scores += score(prediction, by_centre[prediction.tested_on])
        progress(done, len(predictions))
    report = GeneralisationReport(config.data.centres, tuple(scores), cohorts[0].simulated)
    gaps = differences(predictions, inputs)
    evaluation = Evaluation(
        config, report, gaps, predictions, inputs, cohorts, _case(config, cohorts[0])
    )
    return _written(run_folder, report, as_table(gaps).to_csv(index=False, na_rep="nan"),
                    render(evaluation), METRIC[config.task])  # fmt: skip


def _images(
    config: TrainConfig, run_folder: Path, cohorts: list[Cohort], progress: Progress
) -> EvaluateResult:
    from flame.evaluation.generalisation import as_table
    from flame.evaluation.image_report import ImageEvaluation, render
    from flame.evaluation.image_tasks import METRICS, differences, patient_scores, scores, strata
    from flame.federation.describe import describe
    from flame.federation.task import open_task

    task = open_task(config)
    by_centre = [task.patients(cohort) for cohort in cohorts]
    rows = patient_scores(config, run_folder, by_centre, progress)
    report = GeneralisationReport(
        config.data.centres, tuple(scores(config.task, rows)), cohorts[0].simulated
    )
    gaps = differences(config.task, rows)
    counts, warnings = describe(config, cohorts, by_centre)
    parts = strata(config.task, rows)
    write_text(run_folder / "strata.csv", parts.to_csv(index=False, na_rep="nan"))
    evaluation = ImageEvaluation(config, report, gaps, rows, parts, tuple(counts), tuple(warnings))
    return _written(run_folder, report, as_table(gaps).to_csv(index=False, na_rep="nan"),
                    render(evaluation), next(iter(METRICS[config.task])))  # fmt: skip


def _written(
    folder: Path, report: GeneralisationReport, gaps: str, html: str, metric: str
) -> EvaluateResult:
    from flame.evaluation.generalisation import as_table

    result = EvaluateResult(report, folder / "scores.csv", folder / "report.html", metric)
    write_text(result.scores, as_table(report.scores).to_csv(index=False, na_rep="nan"))
    write_text(folder / "differences.csv", gaps)
    write_text(result.html, html)
    return result


def _case(config: TrainConfig, cohort: Cohort) -> tuple[Scan, ...]:
    """Scans of one case to show; only of a simulated patient, as images stay at their centre."""
    if not (cohort.simulated and config.model.sequences):
        return ()
    shown = read_cohort(
        Path(config.data.bids) / cohort.centre, cohort.centre, at_spacing(2.0), limit=1
    )
    baseline = shown.patients[0].baseline
    order = (Sequence.FLAIR, Sequence.T2, Sequence.T1, Sequence.T1C)
    return tuple(baseline.scans[s] for s in order if s in baseline.scans) if baseline else ()

"""``flame evaluate``: per-centre generalisation of a run, as tables and an offline report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flame.core.cohort import Cohort
from flame.core.files import write_text
from flame.core.imaging import Scan, Sequence
from flame.core.scores import GeneralisationReport
from flame.federation.config import TrainConfig
from flame.pipelines.train import check_data, load_run
from flame.preprocessing.cohort import read_cohort


@dataclass(frozen=True)
class EvaluateResult:
    """Scores and where they were written."""

    report: GeneralisationReport
    scores: Path
    html: Path


def run(
    run_folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> EvaluateResult:
    """Write scores.csv, differences.csv and report.html into the run folder.

    Raises BadInput where training has not finished or the data changed since.
    """
    from flame.evaluation.baselines import baseline_predictions
    from flame.evaluation.generalisation import as_table, differences, score
    from flame.evaluation.predictions import Predictor
    from flame.evaluation.report import Evaluation, render
    from flame.federation.data import load_cohort
    from flame.models.inputs import build_inputs

    config = load_run(run_folder)
    cohorts = [load_cohort(config, centre) for centre in config.data.centres]
    check_data(run_folder, cohorts)
    inputs = [build_inputs(cohort, config.model) for cohort in cohorts]
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
    result = EvaluateResult(report, run_folder / "scores.csv", run_folder / "report.html")
    write_text(result.scores, as_table(scores).to_csv(index=False, na_rep="nan"))
    write_text(run_folder / "differences.csv", as_table(gaps).to_csv(index=False, na_rep="nan"))
    write_text(result.html, render(evaluation))
    return result


def _case(config: TrainConfig, cohort: Cohort) -> tuple[Scan, ...]:
    """Scans of one case to show; only of a simulated patient, as images stay at their centre."""
    if not (cohort.simulated and config.model.sequences):
        return ()
    shown = read_cohort(Path(config.data.bids) / cohort.centre, cohort.centre, 2.0, limit=1)
    baseline = shown.patients[0].baseline
    order = (Sequence.FLAIR, Sequence.T2, Sequence.T1, Sequence.T1C)
    return tuple(baseline.scans[s] for s in order if s in baseline.scans) if baseline else ()

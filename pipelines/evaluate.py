"""``flame evaluate``: generalisation of a run by centre, as tables and an offline report."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.progress import Progress, silent
from flame.core.scores import GeneralisationReport
from flame.federation import run_files
from flame.federation.config import TrainConfig
from flame.federation.history import read_history
from flame.federation.run_folder import RunFolder
from flame.federation.run_strategy import strategy_warnings
from flame.federation.tasks.registry import open_task
from flame.pipelines.train import load_cohorts


@dataclass(frozen=True)
class EvaluateResult:
    """Result of ``flame evaluate``.

    Args:
        report: all scores.
        scores: path of scores.csv.
        html: path of the report.
    """

    report: GeneralisationReport
    scores: Path
    html: Path


def run(run_folder: Path, progress: Progress = silent) -> EvaluateResult:
    """Evaluate the models of a run; write tables, a model card and the report into its folder.

    scores.csv has every model at every centre, differences.csv the paired differences,
    generalisation.csv one row per test centre, and over_centres.csv one row per model over all
    centres. A task may add tables, such as strata.csv, subgroups.csv and adaptation.csv.

    Args:
        run_folder: a run folder of flame train; of flame submit, or at a server, the report is of
            what the hospitals have scored themselves.
        progress: called with models done and the total.

    Returns:
        The scores, and the paths of scores.csv and the report.

    Raises:
        BadInput: training has not finished, or the data have changed since.
    """
    folder = RunFolder(run_folder)
    config = folder.config()
    if run_files.ELSEWHERE in (config.data.bids, config.data.table):
        return _from_hospitals(run_folder, config)
    task = open_task(config)
    if not task.cross_validated:
        raise BadInput(f"{run_folder} describes cohorts and holds no model; run flame train")
    from flame.evaluation.evaluations import FinishedRun
    from flame.evaluation.metrics.generalisation import as_table, by_centre, over_centres_table
    from flame.evaluation.pages.model_card import model_card
    from flame.evaluation.pages.report import render
    from flame.evaluation.ways import EVALUATIONS

    cohorts = load_cohorts(config)
    folder.check_data(cohorts)
    finished = FinishedRun(config, task, folder, cohorts, [task.patients(c) for c in cohorts])
    evaluated = EVALUATIONS[task.evaluation](finished, progress)
    warned = [*evaluated.evaluation.warnings, *strategy_warnings(config, run_folder)]
    evaluation = replace(evaluated.evaluation, warnings=warned)
    report = evaluation.report
    tables = {
        "scores": as_table(report.scores),
        "differences": as_table(report.differences),
        "generalisation": by_centre(report, config.evaluation.margin),
        "over_centres": over_centres_table(report),
        **evaluated.tables,
    }
    for name, table in tables.items():
        write_text(run_folder / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    write_text(run_folder / run_files.MODEL_CARD, model_card(evaluation))
    html = run_folder / run_files.REPORT
    write_text(html, render(evaluation))
    return EvaluateResult(report, run_folder / run_files.SCORES, html)


def _from_hospitals(run_folder: Path, config: TrainConfig) -> EvaluateResult:
    """Write the report of a real federation, whose hospitals have scored every model."""
    from flame.evaluation.metrics.cross_site_report import report_of
    from flame.evaluation.metrics.generalisation import as_table
    from flame.evaluation.pages.federation_page import render

    path = run_folder / run_files.CROSS_SITE
    if not path.exists():
        raise BadInput(
            f"{path} is missing: the run has not finished, or its models were learned peer to peer "
            "and are at their hospitals"
        )
    report = report_of(config, _table(path))
    write_text(run_folder / run_files.SCORES, as_table(report.scores).to_csv(index=False))
    html = run_folder / run_files.REPORT
    write_text(html, render(config, report, read_history(run_folder)))
    return EvaluateResult(report, run_folder / run_files.SCORES, html)


def _table(path: Path) -> pd.DataFrame:
    """Read the scores of the hospitals, whose names may look like numbers or missing values."""
    texts: dict[Hashable, type[str]] = dict.fromkeys(
        ("model", "tested_on", "metric", "reason"), str
    )
    missing = {name: [""] for name in ("value", "low", "high")}
    try:
        return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=missing)
    except pd.errors.EmptyDataError:
        raise BadInput(f"{path} has no score: no hospital scores models by its policy") from None

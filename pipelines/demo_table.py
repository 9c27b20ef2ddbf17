"""``flame demo --table``: response and survival of real patients of several hospitals."""

from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.progress import StageProgress, silent_stages
from flame.evaluation.pages import index_page
from flame.evaluation.pages.index_page import Step
from flame.federation.config import TrainConfig
from flame.federation.sections import (
    DataConfig,
    FederationConfig,
    RegressionConfig,
    TrainingConfig,
)
from flame.io.tables import read_table
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, train
from flame.pipelines.demo import INDEX, DemoResult, overall
from flame.pipelines.timing import Timing

FEATURES = ("age", "sex", "mgmt_status", "idh_status", "resection_status")
"""Columns of the table that predict."""
LEAST_PATIENTS = 20
"""Least number of patients with a known survival time of a hospital that takes part."""
HORIZON = 365.0
"""Day on which a patient who is alive counts as a responder."""


def config_of(path: Path, task: str) -> TrainConfig:
    """Configure a model on the table.

    Args:
        path: table with one row per patient and the columns centre, subject, survival_days,
            survival_status (1 for died) and ``FEATURES``.
        task: response (alive on day 365) or survival.

    Returns:
        The configuration, over the hospitals with enough patients.

    Raises:
        BadInput: a column is missing, or fewer than two hospitals have enough patients.
    """
    columns = ["centre", "subject", "survival_days", "survival_status", *FEATURES]
    table = read_table(path, columns)
    known = pd.to_numeric(table.survival_days, errors="coerce").notna()
    counts = table.centre[known].value_counts()
    centres = tuple(str(c) for c in counts.index[counts >= LEAST_PATIENTS])
    if len(centres) < 2:
        raise BadInput(
            f"{path}: fewer than two hospitals have {LEAST_PATIENTS} patients with known survival; "
            "give a table of several hospitals"
        )
    data = DataConfig(
        table=str(path),
        centres=centres,
        id_column="subject",
        survival=("survival_days", "survival_status"),
        horizon_days=HORIZON if task == "response" else None,
        impute={"resection_status": 0.5},
    )
    model = ResponseModelConfig(kind="logistic", clinical=FEATURES)
    return TrainConfig(
        data,
        model,
        TrainingConfig(folds=5, seeds=(0, 1, 2)),
        FederationConfig(engine="in-process"),
        task=task,
        regression=RegressionConfig(penalizer=0.1),
    )


def run(table: Path, out: Path, progress: StageProgress = silent_stages) -> DemoResult:
    """Train and evaluate response and survival on the table, and write an index of pages.

    Args:
        table: the table, see ``config_of``.
        out: folder to write to.
        progress: called with the stage, its steps done and their total.

    Returns:
        The scores of response, the index page and the timing of the stages.

    Raises:
        BadInput: the table cannot be used.
        FlameError: training failed.
    """
    timing = Timing()
    results = {}
    for task in ("response", "survival"):
        with timing.stage(task):
            train.run(config_of(table.resolve(), task), out / task, progress)
            results[task] = evaluate.run(out / task, lambda done, total: None)
    report = results["response"].report
    steps = [
        _step("response", "Alive after a year", "AUC", results["response"]),
        _step("survival", "Survival", "C-index", results["survival"]),
    ]
    text = index_page.render(
        out,
        f"FLAME on {len(report.centres)} hospitals of {table.name}",
        steps,
        index_page.verdict(report, overall(out / "response")),
        report.simulated,
        [
            "A missing status counts as a death. The table is in one place here; between hospitals "
            "the same sums would travel, and give the same models.",
            "Five clinical features and a penalty fixed beforehand: this shows what a federation "
            "adds, not the best that is possible on these patients.",
        ],
        config_of(table.resolve(), "response").regression,
    )
    write_text(out / INDEX, text)
    return DemoResult(report, out / INDEX, timing)


def _step(name: str, title: str, measure: str, result: evaluate.EvaluateResult) -> Step:
    look = (
        f"{measure} by hospital, with its 95 % interval, from age, sex, MGMT, IDH and resection. "
        "Compare what a hospital learns alone with what it gets from the others."
    )
    return index_page.scored_step(name, title, look, result.report, result.html)

"""``flame describe``: a description of the centres from which no patient row leaves a centre."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.files import locked, write_text
from flame.core.progress import Progress, silent
from flame.federation import run_files
from flame.federation.config import TrainConfig
from flame.federation.engine import Job
from flame.federation.engines import open_engine
from flame.federation.run_folder import RunFolder
from flame.federation.task import Shared
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.models.response.inputs import TREATMENT_FEATURES
from flame.pipelines.train import load_cohorts, resolve

STATISTICS = "statistics"


@dataclass(frozen=True)
class DescribeResult:
    """Result of ``flame describe``.

    Args:
        centres: one row per centre, with survival.
        features: one row per feature, with moments and discrimination.
        html: page that shows both.
        warnings: what to look at in the data.
    """

    centres: pd.DataFrame
    features: pd.DataFrame
    html: Path
    warnings: tuple[str, ...] = ()


def run(config: TrainConfig, out: Path, progress: Progress = silent) -> DescribeResult:
    """Describe the cohorts; write centres.csv, features.csv, survival.csv and describe.html.

    Nothing is filled in: values that training would impute, and survival of unknown status, count
    as unknown.

    Args:
        config: configuration as for training; its task and its images are ignored.
        out: new folder, or one of the same description.
        progress: called with steps done and the total.

    Returns:
        The tables and the path of the page.

    Raises:
        BadInput: the configuration, the data or ``out`` cannot be used.
    """
    from flame.evaluation.pages.cohorts_page import render

    model = replace(config.model, sequences=(), encoder="", missing="mean")
    data = replace(config.data, impute={}, unknown_status="died")
    config = resolve(replace(config, task=STATISTICS, model=model, data=data))
    task = open_task(config)
    cohorts = load_cohorts(config)
    folder = RunFolder(out)
    folder.claim(config, cohorts)
    training = Training(FEDERATED, config.data.centres, 0, 2)
    patients = [task.patients(c) for c in cohorts]
    job = Job(config, task, folder, [training], patients)
    with locked(out / run_files.LOCK):
        open_engine(config.federation.engine).train(job, progress)
    shared = folder.model(training).shared
    _, warnings = task.summary(cohorts, patients)
    result = DescribeResult(
        _centres(config, shared),
        _features(config, shared),
        out / run_files.COHORTS_PAGE,
        tuple(warnings),
    )
    tables = {
        "centres": result.centres,
        "features": result.features,
        "features_by_centre": _by_centre(config, shared),
        "survival": _curves(config, shared),
    }
    for name, table in tables.items():
        write_text(out / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    page = render(config, cohorts[0].simulated, tables, shared["log_rank"], warnings)
    write_text(result.html, page)
    return result


def _curves(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    """Return the survival curves, that of all patients first, with an empty name."""
    names = ("times", "alive", "low", "high")
    parts = [pd.DataFrame({"centre": "", **{n: shared[n] for n in names}})]
    ends = np.cumsum(shared["points"].astype(int))[:-1]
    split = {n: np.split(shared[f"centre_{n}"], ends) for n in names}
    for place, centre in enumerate(sorted(config.data.centres)):
        if np.isnan(shared["medians"][place, 0]):
            continue  # too few blocks for a curve
        curve = {n: split[n][place] for n in names}
        parts.append(pd.DataFrame({"centre": centre, **curve}))
    return pd.concat([p for p in parts if len(p)] or parts[:1])


def _by_centre(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    names = _names(config)
    known = _told(shared["counts"], shared["counts"])
    return pd.DataFrame(
        [
            {
                "feature": feature,
                "centre": centre,
                "known": known[row, column],
                "mean": _told(shared["means"], shared["counts"])[row, column],
                "sd": _told(shared["spreads"], shared["counts"])[row, column],
            }
            for column, feature in enumerate(names)
            for row, centre in enumerate(sorted(config.data.centres))
        ],
        columns=["feature", "centre", "known", "mean", "sd"],
    )


def _names(config: TrainConfig) -> list[str]:
    return [*config.model.clinical_columns, *TREATMENT_FEATURES * config.model.treatment]


def _centres(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "centre": sorted(config.data.centres),
            "patients": shared["described"].astype(int),
            "survival known": _told(shared["patients"], shared["patients"]),
            "deaths": _told(shared["deaths"], shared["patients"]),
            "median survival": shared["medians"][:, 0],
            "low": shared["medians"][:, 1],
            "high": shared["medians"][:, 2],
        }
    )


def _told(values: Any, counts: Any) -> Any:
    """Return values, NaN where nothing was told, which a site sends as a count of 0."""
    return np.where(counts > 0, values, np.nan)


def _features(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    names = _names(config)
    spread = np.sqrt(shared["sum_sq_dev"] / np.maximum(shared["count"], 1))
    table = pd.DataFrame(
        {
            "feature": names,
            "known": _told(shared["count"], shared["count"]),
            "mean": _told(shared["mean"], shared["count"]),
            "sd": _told(spread, shared["count"]),
            "auc n": shared["auc_n"].astype(int),
            "c_index n": shared["c_index_n"].astype(int),
        }
    )
    for metric in ("auc", "c_index", "c_index_across"):
        for place, part in enumerate((metric, f"{metric} low", f"{metric} high")):
            table[part] = shared[metric][:, place]
    return table

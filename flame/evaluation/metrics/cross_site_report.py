"""Scores of a real federation, which its hospitals have computed themselves."""

from typing import Any

import pandas as pd

from flame.core.errors import BadInput
from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.federation.config import TrainConfig, centres
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import LOCAL

_WITHOUT = "-without-"


def report_of(config: TrainConfig, table: pd.DataFrame) -> GeneralisationReport:
    """Turn the table of every model at every site into the scores of a report.

    Args:
        config: the configuration of the run.
        table: the table of ``flame.federation.cross_site``.

    Returns:
        The scores. Of the models trained without a hospital, those at that hospital, as in a report
        on patients of one machine; there are no differences, which need patients side by side.
        Sites that sent no score are left out.

    Raises:
        BadInput: no site sent the main metric.
    """
    sites = centres(config.data)
    scores = [_score(row, sites) for row in table.to_dict("records")]
    task = open_task(config)
    kept = tuple(score for score in scores if score is not None)
    main = task.metrics[0]
    known = tuple(s for s in sites if any((k.tested_on, k.metric) == (s, main) for k in kept))
    if not known:
        raise BadInput(f"no hospital has sent its {main} of a model; see the log of flame serve")
    return GeneralisationReport(known, kept, (), main, config.data.simulated)


def _score(row: dict[Any, Any], sites: tuple[str, ...]) -> CentreScore | None:
    model, tested_on = str(row["model"]), str(row["tested_on"])
    trained = sites
    if _WITHOUT in model:
        left_out = model.partition(_WITHOUT)[2]
        if left_out != tested_on:
            return None
        model, trained = UNSEEN, tuple(s for s in sites if s != left_out)
    elif model.startswith(f"{LOCAL}-"):
        model, trained = LOCAL, (model.removeprefix(f"{LOCAL}-"),)
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])
    counts = (int(row["n"]), int(row["events"]))
    return CentreScore(
        model, trained, tested_on, str(row["metric"]), value, low, high, *counts, reason
    )

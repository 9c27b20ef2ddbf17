"""Scores of a real federation, which its hospitals have computed themselves."""

from typing import Any

import pandas as pd

from flame.core.errors import BadInput
from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.trainings import flare_plan
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import Training


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
    trainings = {training.model: training for training in flare_plan(config, alone=True)}
    scores = (_score(row, trainings[str(row["model"])]) for row in table.to_dict("records"))
    kept = tuple(score for score in scores if score is not None)
    main = open_task(config).metrics[0]
    sites = centres(config.data)
    known = tuple(s for s in sites if any((k.tested_on, k.metric) == (s, main) for k in kept))
    if not known:
        raise BadInput(f"no hospital has sent its {main} of a model; see the log of flame serve")
    return GeneralisationReport(known, kept, (), main, config.data.simulated)


def _score(row: dict[Any, Any], training: Training) -> CentreScore | None:
    """Return a score of a training's model; None for one left without another hospital."""
    tested_on = str(row["tested_on"])
    if training.left_out not in ("", tested_on):
        return None
    model, trained = UNSEEN if training.left_out else training.kind, training.centres
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])
    counts = (int(row["n"]), int(row["events"]))
    return CentreScore(
        model, trained, tested_on, str(row["metric"]), value, low, high, *counts, reason
    )

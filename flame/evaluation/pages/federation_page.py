"""Report of a real federation: every model at every hospital, and how training went."""

import pandas as pd

from flame.core.scores import GeneralisationReport
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.page import page
from flame.evaluation.pages.report import held_out_tables, matrix
from flame.evaluation.pages.summary import forest_section, in_words
from flame.evaluation.pages.training_page import losses_section, sites_section
from flame.federation.config import TrainConfig
from flame.federation.tasks.registry import open_task


def render(config: TrainConfig, report: GeneralisationReport, history: pd.DataFrame) -> str:
    """Render the report.

    Args:
        config: configuration of the run.
        report: scores that the hospitals have computed.
        history: table of history.csv; empty for sums without rounds.

    Returns:
        The report as HTML.
    """
    task = open_task(config)
    scored = {score.metric for score in report.scores}
    names = [n for n in dict.fromkeys((report.metric, *task.metrics)) if n in scored]
    matrices = [matrix(report, name) for name in names if not METRICS[name].detail]
    rounds = [] if history.empty else [sites_section(history), losses_section(history)]
    return page(
        config,
        task.title,
        True if config.data.simulated else None,
        [],
        [
            forest_section(report),
            *held_out_tables(report, task.texts().events),
            *matrices,
            *rounds,
        ],
        [
            "The patients are at their hospitals, which score every model themselves and send "
            "metrics only. Models that were also trained at a hospital predict its patients by "
            "cross-validation; values of folds and seeds are averaged.",
            "Paired differences need the predictions of two models side by side, which stay at the "
            "hospitals: intervals that overlap do not show that two models are equal.",
            "flame validate --kit adds calibration and curves from suppressed sums of a model.",
            "A real federation trains no pooled model.",
        ],
        in_words(report),
    )

"""Generalisation of a run: scores by centre, worst centre, prediction interval of a new centre."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.metrics.metric import METRICS, Metric
from flame.evaluation.metrics.out_of_sample import LEFT_OUT
from flame.evaluation.metrics.random_effects import RandomEffects, random_effects
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED
from flame.models.regression.survival_curves import Z

UNSEEN = LEFT_OUT.format(FEDERATED)
"""Name of the federated models that were trained without the centre on which they are tested."""
TRAINED = (UNSEEN, FEDERATED, PERSONALISED, LOCAL, LEFT_OUT.format(POOLED), POOLED)
"""Models that every run trains, in the order of tables; others are baselines or strategies."""
PAIRS = (
    (FEDERATED, LOCAL),
    (FEDERATED, POOLED),
    (UNSEEN, LEFT_OUT.format(POOLED)),
    (PERSONALISED, FEDERATED),
)
"""Models that are compared on the same patients; the second is subtracted from the first."""


def pairs(compared: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """List the models that are compared on the same patients.

    Args:
        compared: strategies that are compared with the main one (``federation.compare``).

    Returns:
        ``PAIRS``, and the federated model with each of these strategies, trained at all hospitals
        and without the one that is tested.

    Example:
        >>> pairs(["fedprox"])[len(PAIRS) :]
        (('federated', 'fedprox'), ('federated leave-one-out', 'fedprox leave-one-out'))
    """
    more = [p for name in compared for p in ((FEDERATED, name), (UNSEEN, LEFT_OUT.format(name)))]
    return (*PAIRS, *more)


NOT_WORSE = "not worse"
"""Verdict: the whole interval lies above minus the non-inferiority margin."""
WORSE = "worse"
"""Verdict: the whole interval lies below minus the margin."""
UNDECIDED = "undecided"
"""Verdict: the interval contains minus the margin."""


def at_centre(report: GeneralisationReport, metric: str, centre: str) -> dict[str, CentreScore]:
    """Select the scores at one centre.

    Args:
        report: report of the run.
        metric: name of the metric.
        centre: test centre.

    Returns:
        Score by name of the model; of local models only the one trained at the centre.
    """
    return {
        s.model: s
        for s in report.scores
        if s.metric == metric
        and s.tested_on == centre
        and (s.model != LOCAL or s.trained_on == (centre,))
    }


def by_centre(report: GeneralisationReport, margin: float | None) -> pd.DataFrame:
    """Build the table with one row for each test centre, in the main metric of the run.

    Args:
        report: report of the run.
        margin: non-inferiority margin; None: that of the metric.

    Returns:
        Columns: centre, n, events, value and interval of every model, and value, interval and
        verdict of every difference.
    """
    rows = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        most = max(scores.values(), key=lambda s: s.n)
        row: dict[str, object] = {"centre": centre, "n": most.n, "events": most.events}
        for model, s in scores.items():
            row |= {model: s.value, f"{model} low": s.low, f"{model} high": s.high}
        for d in report.differences:
            if d.tested_on == centre and d.metric == report.metric:
                name = f"{d.model} - {d.against}"
                row |= {
                    name: d.value,
                    f"{name} low": d.low,
                    f"{name} high": d.high,
                    f"{name} verdict": verdict(d, margin),
                }
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(difference: Difference, margin: float | None = None) -> str:
    """Decide whether the first model is worse than the second by more than a margin.

    The first model is not worse if the whole interval of the difference lies above -margin, and
    worse if it lies below -margin. Otherwise the comparison is undecided. Metrics for which lower
    is better are negated first.

    Args:
        difference: difference of two models with its 95 % interval.
        margin: non-inferiority margin; None: that of the metric.

    Returns:
        ``NOT_WORSE``, ``WORSE`` or ``UNDECIDED``; empty without an interval.

    Example:
        >>> gap = Difference("federated", "local", "a", "auc", 0.01, -0.02, 0.04, "")
        >>> verdict(gap, margin=0.05)
        'not worse'
        >>> verdict(gap, margin=0.01)
        'undecided'
    """
    measure = METRICS[difference.metric]
    margin = measure.margin if margin is None else margin
    bounds = [difference.low, difference.high]
    low, high = bounds if measure.higher else sorted(-b for b in bounds)
    if not np.isfinite(low):
        return ""
    return NOT_WORSE if low > -margin else WORSE if high < -margin else UNDECIDED


@dataclass(frozen=True)
class OverCentres:
    """Summary of one model over all centres.

    Args:
        model: name of the model.
        worst: centre with the worst value.
        worst_value: value at that centre.
        effects: random-effects summary.
        centres: number of centres where the model has a value, at least two unless there is one.
    """

    model: str
    worst: str
    worst_value: float
    effects: RandomEffects
    centres: int = 0


def over_centres(report: GeneralisationReport) -> list[OverCentres]:
    """Summarise the models over centres, in the main metric of the run.

    Args:
        report: report of the run.

    Returns:
        One summary for each model that was tested at every centre and has a value at two or more;
        at the only one, of a run with one centre.
    """
    measure = METRICS[report.metric]
    summaries = []
    scores = [at_centre(report, report.metric, centre) for centre in report.centres]
    for model in scores[0]:
        tested = [s[model] for s in scores if model in s]
        each = [s for s in tested if np.isfinite(s.value)]
        if len(tested) == len(scores) and len(each) >= min(2, len(scores)):
            worst = (min if measure.higher else max)(each, key=lambda s: s.value)
            effects = _effects(each, measure)
            summaries.append(OverCentres(model, worst.tested_on, worst.value, effects, len(each)))
    return summaries


def _effects(scores: list[CentreScore], measure: Metric) -> RandomEffects:
    """Pool the scores of centres; metrics from 0 to 1 on the logit scale (Snell 2018)."""
    table = np.array([(s.value, s.low, s.high) for s in scores])
    if not np.isfinite(table).all():
        return RandomEffects(np.nan, reason="a hospital has no interval")
    if not measure.bounded:
        return random_effects(table[:, 0], (table[:, 2] - table[:, 1]) / (2 * Z))
    if not ((table > 0) & (table < 1)).all():
        return RandomEffects(np.nan, reason="the value or interval of a hospital reaches 0 or 1")
    scaled = logit(table)
    effects = random_effects(scaled[:, 0], (scaled[:, 2] - scaled[:, 1]) / (2 * Z))
    fields = ("mean", "low", "high", "new_low", "new_high")
    back: dict[str, Any] = {name: float(expit(getattr(effects, name))) for name in fields}
    return replace(effects, **back)


def over_centres_table(report: GeneralisationReport) -> pd.DataFrame:
    """Build the table of ``over_centres``.

    Args:
        report: report of the run.

    Returns:
        One row for each model: worst centre, its value, and the fields of ``RandomEffects``.
    """
    return pd.DataFrame(
        [
            {
                "model": o.model,
                "metric": report.metric,
                "worst centre": o.worst,
                "worst": o.worst_value,
                **asdict(o.effects),
            }
            for o in over_centres(report)
        ]
    )


def as_table(rows: Iterable[CentreScore | Difference]) -> pd.DataFrame:
    """Convert scores or differences to a table.

    Args:
        rows: scores or differences.

    Returns:
        One row for each of them, with one column for each field.
    """
    return pd.DataFrame([{k: _joined(v) for k, v in asdict(row).items()} for row in rows])


def _joined(value: object) -> object:
    """Return the value of a cell; names of several centres are joined by +."""
    return "+".join(value) if isinstance(value, tuple) else value

"""How a run generalises, whatever its task: centre by centre, the worst, and a new one."""

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
PAIRS = (
    (FEDERATED, LOCAL),
    (FEDERATED, POOLED),
    (UNSEEN, LEFT_OUT.format(POOLED)),
    (PERSONALISED, FEDERATED),
)
"""Models that are compared, patient by patient."""
NOT_WORSE, WORSE, UNDECIDED = "not worse", "worse", "undecided"


def at_centre(report: GeneralisationReport, metric: str, centre: str) -> dict[str, CentreScore]:
    """Scores by model at one centre; of the local models that of the centre itself."""
    return {
        s.model: s
        for s in report.scores
        if s.metric == metric
        and s.tested_on == centre
        and (s.model != LOCAL or s.trained_on == (centre,))
    }


def by_centre(report: GeneralisationReport, margin: float | None) -> pd.DataFrame:
    """A row a centre held out: n, events, every model's figure, differences and verdicts."""
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
    """Whether the first model is worse than the second by more than the margin."""
    measure = METRICS[difference.metric]
    margin = measure.margin if margin is None else margin
    bounds = [difference.low, difference.high]
    low, high = bounds if measure.higher else sorted(-b for b in bounds)
    if not np.isfinite(low):
        return ""
    return NOT_WORSE if low > -margin else WORSE if high < -margin else UNDECIDED


@dataclass(frozen=True)
class OverCentres:
    """A model over all centres: the ``worst`` one, and random effects."""

    model: str
    worst: str
    worst_value: float
    effects: RandomEffects


def over_centres(report: GeneralisationReport) -> list[OverCentres]:
    """Every model that has a figure at each centre, in the metric of the run."""
    measure, found = METRICS[report.metric], []
    scores = [at_centre(report, report.metric, centre) for centre in report.centres]
    for model in scores[0]:
        each = [s[model] for s in scores if model in s and np.isfinite(s[model].value)]
        if len(each) == len(scores):
            worst = (min if measure.higher else max)(each, key=lambda s: s.value)
            found.append(OverCentres(model, worst.tested_on, worst.value, _effects(each, measure)))
    return found


def _effects(scores: list[CentreScore], measure: Metric) -> RandomEffects:
    """Random effects; of what lies between 0 and 1 on the logit scale (Snell 2018)."""
    table = np.array([(s.value, s.low, s.high) for s in scores])
    if not np.isfinite(table).all():
        return RandomEffects(np.nan, reason="a centre has no interval")
    if not measure.bounded:
        return random_effects(table[:, 0], (table[:, 2] - table[:, 1]) / (2 * Z))
    if not ((table > 0) & (table < 1)).all():
        return RandomEffects(np.nan, reason="a centre is at the end of the scale")
    scaled = logit(table)
    found = random_effects(scaled[:, 0], (scaled[:, 2] - scaled[:, 1]) / (2 * Z))
    back: dict[str, Any] = {
        n: float(expit(getattr(found, n))) for n in ("mean", "low", "high", "new_low", "new_high")
    }
    return replace(found, **back)


def over_centres_table(report: GeneralisationReport) -> pd.DataFrame:
    """``over_centres`` as a table, a row a model."""
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
    """Scores or differences as a table, one row each."""
    return pd.DataFrame([{k: _joined(v) for k, v in asdict(row).items()} for row in rows])


def _joined(value: object) -> object:
    """A cell: names of several centres are joined by +."""
    return "+".join(value) if isinstance(value, tuple) else value

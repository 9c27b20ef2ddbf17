"""Every model of a plan on patients of every site that it did not learn from: figures only."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.scores import Scored
from flame.federation.calls import Call
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.run_strategy import strategy_of
from flame.federation.trainings import Training, who
from flame.models.regression.survival_curves import Z


def cross_site(
    config: TrainConfig,
    run: Path,
    plan: list[Training],
    call: Call,
    sites: tuple[str, ...],
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """A row a model and site: the metric over held-out patients with its 95 % interval.

    Figures of folds and seeds are averaged by how many comparisons they rest on; with seeds, whose
    patients are the same, the interval is that of one seed. Sites that do not answer are left out.
    """
    strategy, rows = strategy_of(config), []
    for done, training in enumerate(plan, 1):
        at = finished(run, training.name)
        each = {site: {"weights": strategy.weights_for(at.state, site)} for site in sites}
        answers = call("score", sites, each, shared=at.shared, who=who(training))
        for site, answer in answers.got.items():
            if answer:
                rows.append(
                    {"model": training.model, "seed": training.seed, "tested_on": site, **answer}
                )
        progress(done, len(plan))
    table = pd.DataFrame(rows, columns=["model", "seed", "tested_on", *Scored._fields])
    groups = table.groupby(["model", "tested_on", "metric"], sort=False)
    return pd.DataFrame(
        [averaged(dict(zip(groups.keys, key, strict=True)), part) for key, part in groups]
    )


def averaged(key: Mapping[Any, Any], part: pd.DataFrame) -> dict[str, Any]:
    """Rows of ``Scored`` with their seed as one figure with its interval; see ``cross_site``."""
    if part.empty:
        return {**key, "value": np.nan, "low": np.nan, "high": np.nan, "n": 0, "events": 0}
    known = part[part.weight > 0]
    seeds, total = max(known.seed.nunique(), 1), known.weight.sum()
    value = float((known.value * known.weight).sum() / total) if total else float("nan")
    variance = (known.variance * known.weight**2).sum() / total**2 * seeds if total else np.nan
    half = Z * float(np.sqrt(variance))
    return {
        **key,
        "value": value,
        "low": value - half,
        "high": value + half,
        "n": int(part.n.sum() / part.seed.nunique()),
        "events": int(part.events.sum() / part.seed.nunique()),
        "reason": "" if total else "no two patients to compare",
    }

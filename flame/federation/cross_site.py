"""Cross-site evaluation: every model at every site, on patients that it did not learn from.

Sites send metrics only.
"""

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
    """Evaluate every model at every site.

    Values of folds and seeds are averaged, weighted by the number of comparisons behind each. Seeds
    share the same patients, so the interval is that of one seed. Sites that do not reply are left
    out.

    Args:
        config: the configuration of the run.
        run: the run folder.
        plan: the trainings of the run, all finished.
        call: the calls of the engine.
        sites: the sites to evaluate at.
        progress: called with the number of trainings done and the total.

    Returns:
        A table with a row per model, site and metric: ``model``, ``tested_on``, ``metric``,
        ``value``, its 95 % interval ``low`` to ``high``, patients ``n``, ``events`` and ``reason``.

    Raises:
        BadInput: a training is not finished.
    """
    strategy = strategy_of(config)
    rows = []
    for done, training in enumerate(plan, 1):
        model = finished(run, training.name)
        each = {site: {"weights": strategy.weights_for(model.state, site)} for site in sites}
        replies = call("score", sites, each, shared=model.shared, who=who(training))
        for site, reply in replies.got.items():
            if reply:
                rows.append(
                    {"model": training.model, "seed": training.seed, "tested_on": site, **reply}
                )
        progress(done, len(plan))
    table = pd.DataFrame(rows, columns=["model", "seed", "tested_on", *Scored._fields])
    groups = table.groupby(["model", "tested_on", "metric"], sort=False)
    return pd.DataFrame(
        [averaged(dict(zip(groups.keys, key, strict=True)), part) for key, part in groups]
    )


def averaged(key: Mapping[Any, Any], part: pd.DataFrame) -> dict[str, Any]:
    """Average a metric of one model at one site over folds and seeds.

    With weights w, value = sum(w v) / sum(w). Its variance is sum(w^2 var) / sum(w)^2 times the
    number of seeds, and the interval is value +- 1.96 standard deviations.

    Args:
        key: columns that identify the row by name, such as model and site.
        part: a row per fold and seed with the fields of ``Scored`` and the column ``seed``.

    Returns:
        ``key`` with ``value``, ``low``, ``high``, ``n``, ``events`` and ``reason``; NaN with a
        reason where no patients can be compared.

    Example:
        Two folds with 3 and 1 pairs of patients.

        >>> folds = pd.DataFrame({"seed": [0, 0], "value": [1.0, 0.6], "variance": [0.01, 0.01],
        ...                       "weight": [3.0, 1.0], "n": [4, 2], "events": [1, 1]})
        >>> row = averaged({"model": "federated"}, folds)
        >>> round(row["value"], 2), row["n"], row["events"]
        (0.9, 6, 2)
    """
    if part.empty:
        return {
            **key,
            "value": np.nan,
            "low": np.nan,
            "high": np.nan,
            "n": 0,
            "events": 0,
            "reason": "nobody to test",
        }
    known = part[part.weight > 0]
    seeds = max(known.seed.nunique(), 1)
    total = known.weight.sum()
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

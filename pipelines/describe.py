"""``flame describe``: what the centres of a configuration are like, without a row leaving one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.task import Shared, open_task
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.trainings import FEDERATED, Federation
from flame.models.response.inputs import TREATMENT_FEATURES
from flame.pipelines.train import claim, resolve

STATISTICS = "statistics"


@dataclass(frozen=True)
class DescribeResult:
    """Tables by centre and by feature, and the page that shows them."""

    centres: pd.DataFrame
    features: pd.DataFrame
    html: Path


def run(
    config: TrainConfig, out: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> DescribeResult:
    """Write centres.csv, features.csv, survival.csv and describe.html into ``out``."""
    from flame.evaluation.pages.cohorts_page import render
    from flame.federation.checkpoint import finished
    from flame.federation.in_process import in_process_call
    from flame.federation.site import Site

    model = replace(config.model, sequences=(), encoder="")
    config = resolve(replace(config, task=STATISTICS, model=model))
    names = config.data.centres
    cohorts = [load_cohort(config, name) for name in names]
    if len({c.simulated for c in cohorts}) > 1:
        raise BadInput("simulated and real centres in one description: describe them apart")
    claim(out, config, cohorts)
    training = Federation(FEDERATED, names, 0, 2)
    if config.federation.engine == "flare":
        from flame.federation.flare.simulator import train_on_flare

        train_on_flare(config, out, progress)
    else:
        task = open_task(config)
        sites = {c.centre: Site(task, [task.patients(c)]) for c in cohorts}
        coordinator = Coordinator(config, task, out, [training], progress)
        coordinator.run(in_process_call(sites), lambda f: f.centres)
    shared = finished(out, training.name).shared
    result = DescribeResult(
        _centres(config, shared), _features(config, shared), out / "describe.html"
    )
    curve = pd.DataFrame({n: shared[n] for n in ("times", "alive", "low", "high")})
    for name, table in (
        ("centres", result.centres),
        ("features", result.features),
        ("survival", curve),
    ):
        write_text(out / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    write_text(
        result.html,
        render(
            config, cohorts[0].simulated, result.centres, result.features, curve, shared["log_rank"]
        ),
    )
    return result


def _centres(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "centre": sorted(config.data.centres),
            "survival known": shared["patients"].astype(int),
            "deaths": shared["deaths"].astype(int),
            "median survival": shared["medians"],
        }
    )


def _features(config: TrainConfig, shared: Shared) -> pd.DataFrame:
    names = [*config.model.clinical_columns, *TREATMENT_FEATURES * config.model.treatment]
    spread = np.sqrt(shared["squares"] / np.maximum(shared["count"], 1))
    table = pd.DataFrame(
        {
            "feature": names,
            "known": shared["count"].astype(int),
            "mean": shared["mean"],
            "sd": spread,
        }
    )
    for metric in ("auc", "c_index", "c_index_across"):
        for place, part in enumerate((metric, f"{metric} low", f"{metric} high")):
            table[part] = shared[metric][:, place]
    return table

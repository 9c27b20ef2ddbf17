"""What every report has around its results: one HTML file that needs nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from flame import __version__
from flame.core.config import as_toml
from flame.core.scores import GeneralisationReport
from flame.federation.config import TrainConfig

_ENGINES = {"flare": "NVIDIA FLARE, one process a site"}


def page(template: str, config: TrainConfig, report: GeneralisationReport, **values: Any) -> str:
    """Return ``template``, which extends page.html.j2, filled with ``values``."""
    environment = Environment(
        loader=PackageLoader("flame.evaluation", "."), undefined=StrictUndefined, autoescape=True
    )
    return environment.get_template(template).render(
        version=__version__,
        engine=_ENGINES.get(config.federation.engine, "in process"),
        strategy="exact sums" if config.task == "survival" else config.federation.strategy,
        seeds=len(config.training.seeds),
        simulated=report.simulated,
        centres=report.centres,
        configuration=as_toml(_without_paths(config)),
        **values,
    )


def _without_paths(config: TrainConfig) -> TrainConfig:
    """The configuration with file names only: a report travels further than its folder."""
    data = replace(
        config.data, bids=Path(config.data.bids).name, table=Path(config.data.table).name
    )
    return replace(config, data=data)

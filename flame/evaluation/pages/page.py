"""One HTML file that needs nothing else: sections of text, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flame import __version__
from flame.core.config import as_toml
from flame.federation.config import TrainConfig

_ENGINES = {"flare": "NVIDIA FLARE, one process a site"}


@dataclass(frozen=True)
class Cell:
    """A figure of a table, its interval, and a background; ``empty`` where there is none."""

    text: str
    interval: str = ""
    colour: str = ""
    empty: bool = False


def figure_cell(value: float, low: float, high: float, reason: str = "", colour: str = "") -> Cell:
    """A figure with its interval, or the reason why there is none."""
    if not np.isfinite(value):
        return Cell(reason, empty=True)
    return Cell(f"{value:.2f}", f"{low:.2f} to {high:.2f}", colour)


@dataclass(frozen=True)
class Section:
    """A title with a note, and a table or an SVG ``figure`` or both; ``folded`` until opened."""

    id: str
    title: str
    note: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | Cell]] = field(default_factory=list)
    figure: Markup = Markup("")
    folded: bool = False


def page(
    config: TrainConfig,
    title: str,
    simulated: bool | None,
    warnings: list[str],
    sections: list[Section],
    limits: list[str],
) -> str:
    """The page of a training run; ``simulated`` None: it is not known."""
    engine = _ENGINES.get(config.federation.engine, "in process")
    strategy = "exact sums" if config.is_regression else config.federation.strategy
    about = f"{engine} · strategy {strategy} · {len(config.training.seeds)} seed(s)"
    return filled(
        title, about, ("patients", simulated), warnings, sections, limits, without_paths(config)
    )


def filled(
    title: str,
    about: str,
    source: tuple[str, bool | None],
    warnings: list[str],
    sections: list[Section],
    limits: list[str],
    config: object,
) -> str:
    """Return page.html.j2 filled; ``source`` is what was learned from, and whether simulated."""
    environment = Environment(
        loader=PackageLoader("flame.evaluation.pages", "."),
        undefined=StrictUndefined,
        autoescape=True,
    )
    return environment.get_template("page.html.j2").render(
        version=__version__,
        title=title,
        about=about,
        subject=source[0],
        simulated=source[1],
        warnings=warnings,
        sections=sections,
        limits=limits,
        configuration=as_toml(config),
    )


def without_paths(config: TrainConfig) -> TrainConfig:
    """The configuration with file names only: a report travels further than its folder."""
    data = replace(
        config.data, bids=Path(config.data.bids).name, table=Path(config.data.table).name
    )
    model = replace(config.model, encoder=Path(config.model.encoder).name)
    return replace(config, data=data, model=model)

"""Renders sections of text, tables and figures as one self-contained HTML file."""

from dataclasses import replace
from pathlib import Path

from flame.core import html
from flame.core.config import as_toml
from flame.core.version import __version__
from flame.evaluation.pages.sections import Section, footnoted
from flame.federation.config import TrainConfig
from flame.federation.tasks.registry import open_task

_ENGINES = {"flare": "NVIDIA FLARE, one process per site"}
"""Description of engines other than the one of this process."""


def page(
    config: TrainConfig,
    title: str,
    simulated: bool | None,
    warnings: list[str],
    sections: list[Section],
    limits: list[str],
    verdict: str = "",
    refresh_s: int = 0,
) -> str:
    """Render a page about a run.

    Args:
        config: configuration of the run.
        title: title of the page.
        simulated: whether the patients are simulated; None where it is unknown.
        warnings: warnings at the top.
        sections: sections in order.
        limits: notes on how to read the page.
        verdict: what the page shows, in words; empty: nothing is said.
        refresh_s: seconds after which a browser loads the page again; 0: never.

    Returns:
        The page as HTML.
    """
    engine = _ENGINES.get(config.federation.engine, "in-process")
    strategy = config.federation.strategy if open_task(config).learns_in_rounds else "exact sums"
    seeds = len(config.training.seeds)
    about = f"{engine} · strategy {strategy} · {seeds} seed{'s' * (seeds > 1)}"
    return filled(
        title,
        about,
        ("patients", simulated),
        warnings,
        sections,
        limits,
        without_paths(config),
        verdict,
        refresh_s,
    )


def filled(
    title: str,
    about: str,
    source: tuple[str, bool | None],
    warnings: list[str],
    sections: list[Section],
    limits: list[str],
    config: object,
    verdict: str = "",
    refresh_s: int = 0,
) -> str:
    """Fill the template page.html.j2 with content.

    Args:
        title: title of the page.
        about: line below the title.
        source: noun for the data (such as patients), and whether they are simulated; None where
            it is unknown. An empty noun: the page is not about data.
        warnings: warnings at the top.
        sections: sections in order.
        limits: notes on how to read the page.
        config: configuration, printed as TOML; None: there is none.
        verdict: what the page shows, in words; empty: nothing is said.
        refresh_s: seconds after which a browser loads the page again; 0: never.

    Returns:
        The page as HTML.
    """
    return html.filled(
        "flame.evaluation.pages",
        "page.html.j2",
        version=__version__,
        title=title,
        about=about,
        subject=source[0],
        simulated=source[1],
        warnings=warnings,
        sections=[footnoted(section) for section in sections],
        limits=limits,
        configuration="" if config is None else as_toml(config),
        verdict=verdict,
        refresh_s=refresh_s,
    )


def without_paths(config: TrainConfig) -> TrainConfig:
    """Replace paths in a configuration by file names, because reports leave the machine.

    Args:
        config: configuration of the run.

    Returns:
        The configuration without folders.
    """
    data = replace(
        config.data, bids=Path(config.data.bids).name, table=Path(config.data.table).name
    )
    model = replace(config.model, encoder=Path(config.model.encoder).name)
    return replace(config, data=data, model=model)

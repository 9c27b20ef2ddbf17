"""``flame submit``: train a configuration in a real federation."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flame.core.config import as_toml
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.federation.config import CONFIG_FILE, TrainConfig, centres
from flame.federation.history import add_history
from flame.federation.strategies.chosen import strategy_of
from flame.pipelines.run_folder import holds_run
from flame.pipelines.train import with_features, write_results

NAME_FILE = "run-name.txt"


def run(
    config: TrainConfig,
    kit: Path,
    out: Path,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    patience_s: float = 600.0,
) -> Path:
    """Train at the connected sites, or those named, and write their models into ``out``.

    Run again with the same ``out`` it goes on from the last round. Where data lie is each site's
    own affair: of ``data.bids`` or ``data.table`` only counts which of the two is given.
    """
    from flame.federation.flare.lead import Federation
    from flame.federation.flare.node import LEAD, check_kit

    federation = Federation(check_kit(kit, LEAD), patience_s)
    if config.federation.compare or config.training.personalised:
        raise BadInput("federation.compare and training.personalised are for flame train")
    if strategy_of(config).alone_suffices:
        raise BadInput(
            "federation.strategy gossip needs no server: flame train runs it, in process or on "
            "FLARE on one machine; choose another for flame submit"
        )
    if not config.data.centres:
        config = replace(config, data=replace(config.data, centres=federation.sites()))
    config = with_features(config)
    config = _without_paths(config)
    name = _claim(out, config)

    known: list[Any] = []

    def followed(news: dict[str, Any]) -> None:
        rows = news.get("latest", [])
        if rows != known:
            known[:] = rows
            add_history(out, rows)
        show(news)

    federation.run(config, name, out, followed, say)
    write_results(out, config)
    return out


def _without_paths(config: TrainConfig) -> TrainConfig:
    """No path of this machine is told to anyone."""
    bids, table = ("at-each-site", "") if config.data.bids else ("", "at-each-site")
    data = replace(config.data, bids=bids, table=table, centres=centres(config.data))
    return replace(config, data=data, federation=replace(config.federation, engine="flare"))


def _claim(out: Path, config: TrainConfig) -> str:
    if holds_run(out, config):
        if not (out / NAME_FILE).exists():
            raise BadInput(f"{out} holds a run of flame train; give a new --out")
        return (out / NAME_FILE).read_text(encoding="utf-8")
    name = f"flame-{secrets.token_hex(6)}"
    write_text(out / NAME_FILE, name)
    write_text(out / CONFIG_FILE, as_toml(config))
    return name

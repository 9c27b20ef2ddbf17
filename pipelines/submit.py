"""``flame submit``: train a configuration in a real federation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.trainings import flare_plan
from flame.federation.gossip.method import GOSSIP
from flame.federation.gossip.network import FILE
from flame.federation.history import add_history
from flame.federation.run_files import HISTORY, MODELS, RUNS
from flame.federation.run_folder import RunFolder
from flame.federation.run_strategy import strategy_of
from flame.federation.strategies.gossip import check_graphs
from flame.pipelines.train import with_features


def run(
    config: TrainConfig,
    kit: Path,
    out: Path,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    patience_s: float = 600.0,
) -> str:
    """Train at the connected sites, or those named, and write their models into ``out``.

    Run again with the same ``out`` it goes on from the last round. Where data lie is each site's
    own affair: of ``data.bids`` or ``data.table`` only counts which of the two is given. Returns
    where models are; those learned peer to peer stay at their sites.
    """
    from flame.federation.flare.admin import AdminSession
    from flame.federation.flare.daemon import LEAD, check_kit

    admin = AdminSession(check_kit(kit, LEAD), patience_s)
    if config.federation.compare or config.training.personalised:
        raise BadInput("federation.compare and training.personalised are for flame train")
    if config.gossip.topology == FILE:
        raise BadInput("gossip.file is on this machine alone; give another gossip.topology")
    if not config.data.centres:
        config = replace(config, data=replace(config.data, centres=admin.sites()))
    config = with_features(config)
    config = _without_paths(config)
    check_graphs(strategy_of(config), [t.centres for t in flare_plan(config, alone=True)])
    name = RunFolder(out).claim_name(config)

    known: list[Any] = []

    def followed(news: dict[str, Any]) -> None:
        rows = news.get("latest", [])
        if rows != known:
            known[:] = rows
            add_history(out, rows)
        show(news)

    admin.run(config, name, out, followed, say)
    if config.federation.strategy == GOSSIP:
        return f"Every site has its own model, in {RUNS}/{name} of its kit; here are none"
    RunFolder(out).write_results(config)
    return f"Models are in {out / MODELS}, their rounds in {out / HISTORY}"


def _without_paths(config: TrainConfig) -> TrainConfig:
    """No path of this machine is told to anyone."""
    bids, table = ("at-each-site", "") if config.data.bids else ("", "at-each-site")
    data = replace(config.data, bids=bids, table=table, centres=centres(config.data))
    return replace(config, data=data, federation=replace(config.federation, engine="flare"))

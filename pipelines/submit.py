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
from flame.federation.run_files import CROSS_SITE, ELSEWHERE, HISTORY, MODELS, RUNS
from flame.federation.run_folder import RunFolder
from flame.federation.run_strategy import check_strategy
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED
from flame.pipelines import evaluate
from flame.pipelines.train import with_features


def run(
    config: TrainConfig,
    kit: Path,
    out: Path,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    patience_s: float = 600.0,
    further: bool = False,
) -> str:
    """Train in a federation and fetch the models; a second call continues from the last round.

    Each site reads its own data. Of ``data.bids`` and ``data.table``, only which of them is set
    matters. Models learned peer to peer stay at their sites.

    Args:
        config: the configuration of the run; without ``data.centres``, all connected sites train.
        kit: start-up kit of the admin.
        out: the run folder on this machine.
        show: called with the progress, see ``AdminSession.run``.
        say: called with each line of output.
        patience_s: time to wait for sites that are not connected, in s.
        further: whether a finished run goes on, with more rounds or more sites.

    Returns:
        A sentence that says where the models are.

    Raises:
        BadInput: the configuration, the kit or ``out`` cannot be used.
        FlameError: training failed, or sites are missing.
    """
    from flame.federation.flare.admin import AdminSession, Submission
    from flame.federation.flare.kit import ADMIN, check_kit

    admin = AdminSession(check_kit(kit, ADMIN), patience_s)
    if config.federation.compare or config.training.personalised:
        raise BadInput(
            "federation.compare and training.personalised work with flame train only; remove them"
        )
    if config.gossip.topology == FILE:
        raise BadInput("gossip.file is on this machine alone; give another gossip.topology")
    if not config.data.centres:
        config = replace(config, data=replace(config.data, centres=admin.sites()))
    config = with_features(config)
    config = _without_paths(config)
    if further and open_task(config).fixed_rounds:
        raise BadInput(f"task {config.task} cannot go on: its learning rate falls over all rounds")
    check_strategy(config, FEDERATED, flare_plan(config, alone=True))
    name = RunFolder(out).claim_name(config, further)

    known: list[Any] = []

    def follow(news: dict[str, Any]) -> None:
        rows = news.get("latest", [])
        if rows != known:
            known[:] = rows
            add_history(out, rows)
        show(news)

    admin.run(Submission.of_training(config, name), out, follow, say)
    if config.federation.strategy == GOSSIP:
        return f"Every site has its own model, in {RUNS}/{name} of its kit; none is on this machine"
    RunFolder(out).write_results(config)
    where = f"Models are in {out / MODELS}, their rounds in {out / HISTORY}"
    if not (out / CROSS_SITE).exists():
        return where
    try:
        return f"{where}; every model at every hospital: {evaluate.run(out).html}"
    except BadInput as error:
        return f"{where}; there is no report: {error}"


def _without_paths(config: TrainConfig) -> TrainConfig:
    """Return the config with a placeholder for the data, as paths must not leave this machine."""
    bids = ELSEWHERE if config.data.bids else ""
    table = "" if config.data.bids else ELSEWHERE
    data = replace(config.data, bids=bids, table=table, centres=centres(config.data))
    return replace(config, data=data, federation=replace(config.federation, engine="flare"))

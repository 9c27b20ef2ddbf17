"""``flame train``: a model of response, tumour masks or evolution by centre, federated, pooled."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flame.core.cohort import Cohort
from flame.core.config import as_toml, load_config
from flame.core.errors import BadInput, FlameError
from flame.core.files import write_text
from flame.federation.checkpoint import Checkpoint, checkpoint_path, finished, load_checkpoint
from flame.federation.config import CONFIG_FILE, TrainConfig, centres
from flame.federation.coordinator import Coordinator
from flame.federation.gossip.method import GOSSIP
from flame.federation.history import write_history
from flame.federation.networks import write_networks
from flame.federation.privacy.budget import Budget
from flame.federation.privacy.differential import CentrePrivacy, spent_table
from flame.federation.strategies.chosen import strategy_of
from flame.federation.strategies.gossip import check_graphs
from flame.federation.task import open_task
from flame.federation.tasks.cohort_summary import Row, describe
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.trainings import (
    FEDERATED,
    LOCAL,
    PERSONALISED,
    POOLED,
    Federation,
    joint_trainings,
    local_trainings,
    personalised_trainings,
)
from flame.pipelines.run_folder import holds_run
from flame.preprocessing.cohort.radiomics import expanded

Progress = Callable[[str, int, int], None]
PRIVACY_FILE = "privacy.csv"
MANIFEST_FILE, WARNINGS_FILE = "data.json", "warnings.txt"


@dataclass(frozen=True)
class TrainResult:
    """The run folder, a row of counts by centre, and warnings."""

    run: Path
    centres: tuple[Row, ...]
    warnings: tuple[str, ...]


def run(
    config: TrainConfig, out: Path, progress: Progress = lambda stage, done, total: None
) -> TrainResult:
    """Train local, federated and pooled models into ``out``; goes on where a killed run stopped.

    Pooling moves data and is only possible because this command reads every centre's folder;
    it is the yardstick, not a way of working.
    """
    from flame.federation.in_process import in_process_call
    from flame.federation.site import Site

    if config.task == "statistics":
        raise BadInput("task statistics trains nothing; run flame describe")
    config = resolve(config)
    names, training = config.data.centres, config.training
    for kind in (FEDERATED, *config.federation.compare):
        strategy_of(config, kind)
    cohorts = [load_cohort(config, name) for name in names]
    if len({c.simulated for c in cohorts}) > 1:
        raise BadInput("simulated and real centres in one run: their figures must not be mixed")
    task = open_task(config)
    patients = [task.patients(cohort) for cohort in cohorts]
    rows, warnings = describe(config, cohorts, patients)
    result = TrainResult(out, tuple(rows), tuple(warnings))
    least = config.privacy.least_patients
    privacy = protection(config)
    sites = {p.centre: Site(task, [p], least, privacy=privacy.get(p.centre)) for p in patients}
    sites[POOLED] = Site(task, patients)
    federated = joint_trainings(FEDERATED, names, training.seeds, training.folds)
    check_graphs(strategy_of(config), [f.centres for f in federated])
    claim(out, config, cohorts)
    write_text(out / WARNINGS_FILE, "\n".join(warnings))
    if config.federation.engine == "flare" and not _finished(out, federated):
        from flame.federation.flare.peer_watch import gather_peers
        from flame.federation.flare.simulator import train_on_flare

        train_on_flare(config, out, lambda done, total: progress(FEDERATED, done, total))
        if config.federation.strategy == GOSSIP:
            gather_peers(config, out)
        if not _finished(out, federated):
            raise FlameError("NVIDIA FLARE ended before the training did; run the command again")

    def in_process(stage: str, plan: list[Federation], pooled: bool) -> None:
        def show(done: int, total: int) -> None:
            progress(stage, done, total)

        coordinator = Coordinator(config, task, out, plan, show, stage)
        coordinator.run(in_process_call(sites), lambda f: (POOLED,) if pooled else f.centres)

    if config.federation.engine == "in-process":
        in_process(FEDERATED, federated, pooled=False)
    in_process(LOCAL, local_trainings(names, training.seeds, training.folds), pooled=False)
    for name in config.federation.compare:
        others = joint_trainings(name, names, training.seeds, training.folds)
        in_process(name, others, pooled=False)
    if training.personalised:
        own = personalised_trainings(names, training.seeds, training.folds)
        in_process(PERSONALISED, own, pooled=False)
    pooled_plan = joint_trainings(POOLED, names, training.seeds, training.folds)
    in_process(POOLED, pooled_plan, pooled=True)
    write_results(out, config)
    return result


def protection(config: TrainConfig) -> dict[str, CentrePrivacy]:
    """What each simulated centre does for differential privacy; nothing where none is asked."""
    if not config.privacy.is_private:
        return {}
    return {
        name: CentrePrivacy(config, Budget(None, math.inf, config.privacy.delta), name.encode())
        for name in config.data.centres
    }


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the config with centres and features named one by one and every path absolute."""

    def absolute(path: str) -> str:
        return str(Path(path).resolve()) if path else ""

    data = replace(config.data, bids=absolute(config.data.bids), table=absolute(config.data.table))
    model = replace(config.model, encoder=absolute(config.model.encoder))
    data = replace(data, centres=centres(data))
    return with_features(replace(config, data=data, model=model))


def with_features(config: TrainConfig) -> TrainConfig:
    """Return the config with features named one by one."""
    model = replace(config.model, clinical=expanded(config.model.clinical))
    baselines = {name: expanded(features) for name, features in config.baselines.items()}
    return replace(config, model=model, baselines=baselines)


def claim(out: Path, config: TrainConfig, cohorts: list[Cohort]) -> None:
    """Write the resolved config and the data's hashes, or make sure that those there match."""
    if holds_run(out, config):
        check_data(out, cohorts)
        return
    write_text(out / MANIFEST_FILE, _manifest(cohorts))
    write_text(out / CONFIG_FILE, as_toml(config))


def _manifest(cohorts: list[Cohort]) -> str:
    return json.dumps({c.centre: dict(c.manifest) for c in cohorts}, indent=1, sort_keys=True)


def check_data(run_folder: Path, cohorts: list[Cohort]) -> None:
    """Refuse a run whose data changed: its folds would no longer hold out the same patients."""
    path = run_folder / MANIFEST_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != _manifest(cohorts):
        raise BadInput(f"{run_folder}: the data changed since training began; train a new run")


def _finished(out: Path, plan: list[Federation]) -> bool:
    loaded = (load_checkpoint(checkpoint_path(out, f.name)) for f in plan)
    return all(c is not None and c.finished for c in loaded)


def write_results(out: Path, config: TrainConfig) -> None:
    """Write what can be read without FLAME: history.csv, privacy.csv, and networks for Keras."""
    history = write_history(out)
    if config.privacy.is_private:
        trained = history[~history.training.str.startswith(POOLED)]
        name = Federation(FEDERATED, config.data.centres, config.training.seeds[0], 0).name
        write_text(out / PRIVACY_FILE, spent_table(config, trained, name).to_csv(index=False))
    write_networks(out, config)


def load_run(run_folder: Path) -> TrainConfig:
    """Return the resolved configuration of a run folder."""
    if not (run_folder / CONFIG_FILE).exists():
        raise BadInput(f"{run_folder} is no run folder (no {CONFIG_FILE}); run flame train first")
    return load_config(TrainConfig, run_folder / CONFIG_FILE, [])


def federated_model(run_folder: Path, config: TrainConfig, seed: int) -> Checkpoint:
    """Return the federated model of a run that learned from all patients."""
    return finished(run_folder, Federation(FEDERATED, config.data.centres, seed, 0).name)

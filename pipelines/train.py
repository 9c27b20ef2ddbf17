"""``flame train``: a response model by centre, federated and pooled."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from flame.core.config import as_toml, load_config
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig, centres
from flame.federation.coordinator import Coordinator
from flame.federation.data import load_cohort
from flame.federation.plan import (
    FEDERATED,
    POOLED,
    Federation,
    joint_trainings,
    local_trainings,
)

Progress = Callable[[str, int, int], None]
CONFIG_FILE = "run.toml"


@dataclass(frozen=True)
class TrainResult:
    """The run folder, rows of patients and responders by centre, and warnings."""

    run: Path
    centres: tuple[tuple[str, int, int], ...]
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
    from flame.models.inputs import build_inputs

    config = _resolve(config)
    names = config.data.centres
    inputs = [build_inputs(load_cohort(config, name), config.model) for name in names]
    result = _describe(out, [(i.centre, len(i.response), int(i.response.sum())) for i in inputs])
    _claim(out, config)
    training = config.training
    federated = joint_trainings(FEDERATED, names, training.seeds, training.folds)
    if config.federation.engine == "flare" and not _finished(out, federated, training.rounds):
        from flame.federation.flare import train_on_flare

        train_on_flare(config, out, lambda done, total: progress(FEDERATED, done, total))
    sites = {i.centre: Site(config, [i]) for i in inputs}
    sites[POOLED] = Site(config, inputs)

    def in_process(stage: str, plan: list[Federation], pooled: bool) -> None:
        coordinator = Coordinator(config, out, plan, lambda d, t: progress(stage, d, t))
        coordinator.run(in_process_call(sites), lambda f: (POOLED,) if pooled else f.centres)

    in_process(FEDERATED, federated, pooled=False)
    in_process("local", local_trainings(names, training.seeds, training.folds), pooled=False)
    pooled_plan = joint_trainings(POOLED, names, training.seeds, training.folds)
    in_process(POOLED, pooled_plan, pooled=True)
    _write_history(out)
    return result


def _resolve(config: TrainConfig) -> TrainConfig:
    """Return the config with every centre named and every path absolute."""

    def absolute(path: str) -> str:
        return str(Path(path).resolve()) if path else ""

    data = replace(config.data, bids=absolute(config.data.bids), table=absolute(config.data.table))
    return replace(config, data=replace(data, centres=centres(data)))


def _claim(out: Path, config: TrainConfig) -> None:
    """Write the resolved config, or make sure that a run that is there has the same."""
    path, text = out / CONFIG_FILE, as_toml(config)
    if path.exists() and path.read_text() != text:
        raise BadInput(f"{out} holds a run with another configuration; give a new folder to --out")
    if not path.exists() and out.exists() and any(out.iterdir()):
        raise BadInput(f"{out} is not empty and holds no run; give a new folder to --out")
    write_text(path, text)


def _describe(out: Path, counts: list[tuple[str, int, int]]) -> TrainResult:
    warnings = [
        f"centre {name} has {responders} responders among {patients} patients: its AUC is "
        "undefined and its local model can only learn one answer"
        for name, patients, responders in counts
        if responders in (0, patients)
    ]
    if len(warnings) == len(counts):
        raise BadInput("no centre has both responders and non-responders: nothing can be learnt")
    return TrainResult(out, tuple(counts), tuple(warnings))


def _finished(out: Path, plan: list[Federation], rounds: int) -> bool:
    loaded = (load_checkpoint(checkpoint_path(out, f.name)) for f in plan)
    return all(c is not None and c.round >= rounds for c in loaded)


def _write_history(out: Path) -> None:
    rows = []
    for path in sorted((out / "models").glob("*.npz")):
        checkpoint = load_checkpoint(path)
        rows += checkpoint.history if checkpoint else []
    write_text(out / "history.csv", pd.DataFrame(rows).to_csv(index=False))


def load_run(run_folder: Path) -> TrainConfig:
    """Return the resolved configuration of a run folder."""
    if not (run_folder / CONFIG_FILE).exists():
        raise BadInput(f"{run_folder} is no run folder (no {CONFIG_FILE}); run flame train first")
    return load_config(TrainConfig, run_folder / CONFIG_FILE, [])

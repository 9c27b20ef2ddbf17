"""A federated round of FLAME on NVIDIA FLARE, compared with FLARE's FedAvg recipe and Flower.

    python benchmarks/federation.py [--flower PYTHON] [--quick]

Four sites of made-up patients, a network of 1.3 million weights (5 MB), FedAvg, 20 rounds of the
same local training. The frameworks run one after the other on one machine. PYTHON is an interpreter
that has flwr[simulation] 1.41 and tensorflow-cpu 2.21. Prints a table and, last, one JSON object.
See also ``federation_sites.py`` (number of sites, size of the model) and ``federation_bits.py``
(rounding).
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from peers.local_training import BATCH, EPOCHS, FEATURES, LOG, bytes_on_loopback, made_up_patients
from result_line import add_quick, print_result_line

from flame.core.config import as_toml
from flame.core.processes import kill_tree
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.run_files import PROGRESS
from flame.federation.sections import DataConfig, FederationConfig, TrainingConfig
from flame.models.response.inputs import ResponseModelConfig

SITES = 4
HIDDEN = 20_000
"""Width of the hidden layer: 66 weights a unit, 1.3 million in all."""
PEERS = Path(__file__).with_name("peers")
SITE_PROCESSES = ("simulator_worker", "ray::ClientApp")
"""Parts of the command lines of site processes, of FLARE and of Flower."""
SHOWN = ("round s", "overhead s", "MB a round", "a site MB")


def made_up_table(path: Path, sites: int) -> None:
    """Write the patients of ``peers/local_training.py`` as a table of centres."""
    values, outcome = made_up_patients(sites)
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(FEATURES)])
    table["response"] = outcome
    table["centre"] = [f"site-{i % sites + 1:03}" for i in range(len(table))]
    table["patient_id"] = [f"p{i}" for i in range(len(table))]
    table.to_csv(path, index=False)


def settings(table: Path, hidden: int, rounds: int, **federation: object) -> TrainConfig:
    """Return FLAME's configuration of the same training."""
    clinical = tuple(f"x{i}" for i in range(FEATURES))
    return TrainConfig(
        DataConfig(table=str(table)),
        ResponseModelConfig(clinical=clinical, hidden=hidden, l2=0.0),
        TrainingConfig(rounds=rounds, epochs=EPOCHS, batch_size=BATCH, folds=2),
        FederationConfig(**federation),  # type: ignore[arg-type]
    )


class Watched:
    """A running command, with the peak memory in MB of one site and of all processes.

    Args:
        command: the command line.
        scratch: folder of its output, and of the log of its rounds.
    """

    def __init__(self, command: list[str], scratch: Path) -> None:
        self.log = scratch / "rounds.jsonl"
        environment = os.environ | {
            LOG: str(self.log),
            "PYTHONPATH": str(PEERS),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self.started = time.time()
        self.site = 0.0
        self.whole = 0.0
        with (scratch / "output.txt").open("wb") as output:
            self.process = psutil.Popen(
                command, stdout=output, stderr=output, env=environment, cwd=scratch
            )

    def look(self) -> None:
        """Measure the present memory in MB; shared memory counts in every process."""
        whole = 0.0
        for each in [self.process, *self.process.children(recursive=True)]:
            try:
                used = each.memory_info().rss / 1e6
                name = " ".join(each.cmdline())
            except psutil.Error:
                continue
            whole += used
            if any(kind in name for kind in SITE_PROCESSES):
                self.site = max(self.site, used)
        self.whole = max(self.whole, whole)

    def until_done(self) -> None:
        """Measure every second until the command ends."""
        while self.process.poll() is None:
            self.look()
            time.sleep(1)


def peer(command: list[str], rounds: int, scratch: Path) -> dict[str, float]:
    """Return the figures of a peer, from the notes of its sites."""
    watched = Watched(command, scratch)
    watched.until_done()
    notes = pd.read_json(watched.log, lines=True)
    if notes["round"].max() < rounds:
        raise SystemExit(f"{command} ended early: see {scratch / 'output.txt'}")
    notes["training"] = notes.ended - notes.began
    each = notes.groupby("round").agg({"began": "min", "wire": "min"})
    # Workers of Flower train several sites in turn; the busiest worker determines the round.
    busiest = notes.groupby(["round", "pid"]).training.sum().groupby("round").max()
    times = each.began.diff().iloc[2:]
    wire = each.wire.diff().iloc[2:]
    return figures(watched, each.began.iloc[1], times, busiest.shift().iloc[2:], wire)


def flame(config: TrainConfig, scratch: Path) -> dict[str, float]:
    """Return the figures of ``flame train`` until its first training is done."""
    (scratch / "run.toml").write_text(as_toml(config))
    run = scratch / "run"
    rounds = config.training.rounds
    command = [sys.executable, "-m", "flame.cli", "train", "run.toml", "--out", str(run)]
    watched = Watched(command, scratch)
    ends = []
    watcher = threading.Thread(target=watched.until_done, daemon=True)
    watcher.start()
    seen = 0
    while seen <= rounds and watched.process.poll() is None:
        done = _progress(run)
        if done > seen:
            seen = done
            ends.append((time.time(), bytes_on_loopback()))
        time.sleep(0.005)
    kill_tree(watched.process.pid)
    watcher.join()
    checkpoint = load_checkpoint(checkpoint_path(run, "federated.seed-0.all"))
    if checkpoint is None or checkpoint.round < rounds:
        raise SystemExit(f"FLAME ended early: see {scratch / 'output.txt'}")
    slowest = pd.DataFrame(checkpoint.history).groupby("round").seconds.max()
    table = pd.DataFrame(ends, columns=["time", "wire"])
    times = table.time.diff().iloc[2:]
    wire = table.wire.diff().iloc[2:]
    return figures(watched, table.time.iloc[1], times, slowest.iloc[1:], wire)


def _progress(run: Path) -> int:
    try:
        return int(json.loads((run / PROGRESS).read_text())[0])
    except (OSError, ValueError):
        return 0


def figures(
    watched: Watched, first: float, times: pd.Series, training: pd.Series, wire: pd.Series
) -> dict[str, float]:
    """Return the figures of a framework, over all rounds but the first."""
    overhead = times.to_numpy() - training.to_numpy()
    return {
        "rounds": len(times),
        "round s": times.median(),
        "slowest training s": training.median(),
        "overhead s": float(pd.Series(overhead).median()),
        "overhead 95 % s": float(pd.Series(overhead).quantile(0.95)),
        "MB a round": wire.median() / 1e6,
        "command to round 1 done s": first - watched.started,
        "a site MB": watched.site,
        "all MB": watched.whole,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flower", help="an interpreter that has Flower", default="")
    add_quick(parser, "two sites, a tenth of the weights, 3 rounds, 32 bits only")
    arguments = parser.parse_args()
    sites = 2 if arguments.quick else SITES
    hidden = HIDDEN // 10 if arguments.quick else HIDDEN
    rounds = 3 if arguments.quick else 20
    sizes = [str(sites), str(hidden), str(rounds)]
    by_framework = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        made_up_table(root / "table.csv", sites)
        base = settings(root / "table.csv", hidden, rounds, engine="flare")

        def folder(name: str) -> Path:
            (root / name).mkdir()
            return root / name

        for bits in (32,) if arguments.quick else (32, 16, 8):
            config = replace(base, federation=replace(base.federation, bits=bits))
            by_framework[f"FLAME on FLARE, {bits} bits"] = flame(config, folder(f"flame-{bits}"))
        command = [sys.executable, str(PEERS / "flare_fedavg.py"), str(root / "workspace"), *sizes]
        by_framework["FLARE's FedAvg recipe"] = peer(command, rounds, folder("flare"))
        if arguments.flower:
            command = [arguments.flower, str(PEERS / "flower_fedavg.py"), *sizes]
            by_framework["Flower's simulation"] = peer(command, rounds, folder("flower"))
    size = f"{sites} sites, {hidden * (FEATURES + 2) * 4 / 1e6:.1g} MB"
    print(f"Made-up patients, {size}; medians over rounds. MB a round: all on loopback.")
    print(pd.DataFrame(by_framework).T.round(3).to_string())
    recipe = by_framework["FLARE's FedAvg recipe"]
    ours = by_framework["FLAME on FLARE, 32 bits"]
    print(
        json.dumps(
            {
                "name": f"overhead of a round beyond the slowest site, {size}",
                "unit": "s",
                "value": round(ours["overhead s"], 3),
                "baseline": "FLARE's FedAvg recipe for TensorFlow",
                "ratio": round(ours["overhead s"] / recipe["overhead s"], 3),
                "seeds": [0],
            }
        )
    )
    headline: dict[str, Any] = {
        "overhead, ratio to FLARE's recipe": ours["overhead s"] / recipe["overhead s"]
    }
    headline |= {side: {name: row[name] for name in SHOWN} for side, row in by_framework.items()}
    headline.setdefault("Flower's simulation", dict.fromkeys(SHOWN))
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

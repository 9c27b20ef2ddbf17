"""Time of a round in process by number of sites and size of the model; FLARE's simulator.

    python benchmarks/federation_sites.py [--quick] [--no-flare] [--fets | --many]

Made-up patients. First 2 to 64 sites and networks of 65 to 1.3 million weights, each in a process
of its own: seconds per round and memory, with the fitted law. Then 71 sites, as many as FeTS had
(Pati 2022, doi:10.1038/s41467-022-33407-5), and 3 million weights. Then 100 sites of a logistic
regression: FLAME in process, through Keras, compared with NVIDIA FLARE's FedAvg recipe for NumPy in
its simulator. The simulator runs THREADS sites at a time: with 100 at a time on 2 cores, a third of
them found no server and the round never ended. Prints tables and, as its last line, one JSON
object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from federation import PEERS, made_up_table, settings
from peers.local_training import LOG
from result_line import add_quick, print_result_line

from flame.federation.checkpoint import finished
from flame.federation.config import centres
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training

SITES = (2, 4, 8, 16, 32, 64)
WIDTHS = (0, 2_000, 20_000)
"""Widths of the hidden layer: 65 to 1.3 million weights."""
FETS = (71, 45_500)
"""Sites of the Federated Tumor Segmentation initiative, and the width of 3 million weights."""
MANY = 100
"""Sites of the comparison with FLARE's simulator."""
THREADS = 10
"""Sites that FLARE's simulator runs at a time."""


def measured(sites: int, hidden: int, rounds: int, epochs: int = 5) -> dict[str, float]:
    """Measure one training in this process, without the first round, which compiles."""
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "table.csv"
        made_up_table(table, sites)
        config = settings(table, hidden, rounds)
        if epochs == 1:  # one step per round, as the peer of 100 sites
            step = replace(config.training, epochs=1, batch_size=0, optimizer="sgd")
            config = replace(config, training=step)
        task = open_task(config)
        names = centres(config.data)
        sites_by_name = {n: Site(task, [task.patients(load_cohort(config, n))]) for n in names}
        training = Training(FEDERATED, names, 0, 2)
        ends: list[float] = []
        coordinator = Coordinator(
            config, task, Path(scratch), [training], lambda *_: ends.append(time.perf_counter())
        )
        coordinator.run(in_process_call(sites_by_name), lambda f: f.centres)
        checkpoint = finished(Path(scratch), training.name)
        seconds = np.diff(ends[1:-1])  # the last step is no round
        peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
        return {
            "sites": sites,
            "weights": sum(w.size for w in checkpoint.state.weights),
            "round s": float(np.median(seconds)),
            "peak MB": int(peak) / 1e3,
        }


def apart(*sizes: int) -> dict[str, float]:
    """Run ``measured`` in a process of its own."""
    command = [sys.executable, __file__, "--one", *map(str, sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def law(table: pd.DataFrame) -> pd.DataFrame:
    """Fit, for each size of model, the power of the number of sites, and s and MB per site."""
    rows = []
    for weights, part in table.groupby("weights"):
        power = np.polyfit(np.log(part.sites), np.log(part["round s"]), 1)[0]
        seconds = np.polyfit(part.sites, part["round s"], 1)
        memory = np.polyfit(part.sites, part["peak MB"], 1)
        rows.append(
            {
                "weights": weights,
                "power of sites": power,
                "s a site": seconds[0],
                "MB a site": memory[0],
                "50 sites: round s": np.polyval(seconds, 50),
                "50 sites: MB": np.polyval(memory, 50),
            }
        )
    return pd.DataFrame(rows)


def flare_rounds_a_second(sites: int, rounds: int) -> float:
    """Measure NVIDIA FLARE's simulator, from the first start of a round to the last."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "rounds.jsonl"
        script = PEERS / "flare_numpy_fedavg.py"
        workspace = Path(scratch) / "workspace"
        command = [
            sys.executable,
            *map(str, (script, workspace, sites, min(THREADS, sites), rounds)),
        ]
        environment = os.environ | {LOG: str(log), "PYTHONPATH": str(PEERS)}
        subprocess.run(command, env=environment, capture_output=True, check=True)
        starts = pd.read_json(log, lines=True).groupby("round")["at"].min()
        if len(starts) < rounds:
            raise SystemExit("FLARE's simulator ended early")
        return (rounds - 1) / float(starts.iloc[-1] - starts.iloc[0])


def print_scaling(rounds: int, sites: tuple[int, ...], widths: tuple[int, ...]) -> dict[str, float]:
    """Print seconds and memory by sites and weights, and the fitted law; return the law."""
    table = pd.DataFrame([apart(n, width, rounds) for width, n in product(widths, sites)])
    print("Made-up patients, in process, 80 a site, 5 epochs; medians over rounds")
    print(table.round(3).to_string(index=False))
    print(
        "\nFit: seconds grow with this power of the number of sites; both are also fitted as linear"
    )
    fits = law(table)
    print(fits.round(3).to_string(index=False))
    return {
        f"{int(row.weights)} weights, {name}": row[name]
        for _, row in fits.iterrows()
        for name in fits.columns[1:]
    }


def print_fets(sites: int, width: int, rounds: int) -> dict[str, float]:
    """Print and return seconds and memory with as many sites as FeTS."""
    found = apart(sites, width, rounds)
    shown = f"{sites} sites, {found['weights'] / 1e6:.2g} million weights"
    print(f"\n{shown}: {found['round s']:.1f} s a round, peak {found['peak MB']:.0f} MB")
    return {f"{shown}, {name}": found[name] for name in ("round s", "peak MB")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "two sizes, and 4 sites instead of 100")
    parser.add_argument("--no-flare", action="store_true", help="without FLARE's simulator")
    parser.add_argument("--many", action="store_true", help="only the 100 sites")
    parser.add_argument("--fets", action="store_true", help="only the 71 sites")
    parser.add_argument("--one", nargs="+", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(*arguments.one)))
        return
    figures: dict[str, float | None] = {}
    if not (arguments.many or arguments.fets):
        figures |= print_scaling(
            *((3, SITES[:2], WIDTHS[1:2]) if arguments.quick else (8, SITES, WIDTHS))
        )
    if not arguments.many:
        figures |= print_fets(*((3, 200, 3) if arguments.quick else (*FETS, 5)))
    if arguments.fets:
        print_result_line(__file__, arguments.quick, figures)
        return
    many = 4 if arguments.quick else MANY
    ours = 1 / apart(many, 0, 20, 1)["round s"]
    print(f"\n{many} sites, logistic regression, a step a round: FLAME {ours:.2f} rounds a second")
    summary = {
        "name": f"rounds a second with {many} sites in process",
        "value": round(ours, 3),
        "unit": "1/s",
        "seeds": [0],
    }
    theirs = None
    if not arguments.no_flare:
        theirs = flare_rounds_a_second(many, 3 if arguments.quick else 4)
        print(f"NVIDIA FLARE's simulator {theirs:.3f}")
        summary |= {"baseline": "NVIDIA FLARE's simulator, NumPy", "ratio": round(ours / theirs, 1)}
    print(json.dumps(summary))
    figures |= {
        f"{many} sites, rounds a second": ours,
        f"{many} sites, rounds a second, FLARE's simulator": theirs,
        f"{many} sites, ratio": ours / theirs if theirs else None,
    }
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

"""Accuracy of methods at equal compute: each runs with few to many rounds in a step.

    python benchmarks/streams_compute.py [--seeds 5] [--jobs 2] [--plot FILE] [--quick]

SEA-4 with 10 % wrong labels on FedDrift's schedule B, and SINE-2 on schedule A: ten nodes on a
ring, ten steps of 100 rows.
Compute is the number of gradients of single rows, the mean over nodes, without what only predicts
(choices by loss, evidence); bytes are what a node sent, and memory is what it remembers. The last
table of a data set compares methods at as many gradients, interpolated linearly in their logarithm
and never beyond the fewest or most that a method was run with. Nothing is tuned on the rounds.
Prints tables, writes the curves into FILE (SVG), and ends with one JSON object.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line
from streams import Job, done

from flame.streams.learners.learner import Pace
from flame.streams.measures import interval
from flame.streams.methods import KNOWN

COMPARED = {"SEA-4, 10 % noise": "B", "SINE-2": "A"}
"""Data sets, and their schedules."""
METHODS = (
    *("local", "local-all", "fedavg", "fedrc", "feddrift", "gossip", "gossip-annealed"),
    *("gossip-window", "gossip-ifca", "gossip-fedrc", "facade", "reset-and-gate"),
    *("evidence-gossip", "oracle"),
)
ROUNDS = (4, 10, 20, 40, 80, 160)
"""Rounds in a step; the least that evidence gossip runs with is 4."""
AT = (5e4, 1e5, 2.5e5, 5e5, 7.5e5)
"""Gradients of a node at which methods are compared."""


def at_equal_compute(results: pd.DataFrame, gradients: float) -> dict[str, float]:
    """Interpolate each method's accuracy; NaN where it was not run with so few or so many."""
    found = {}
    for method, part in results.groupby("method", sort=False):
        curve = part.groupby("rounds")[["gradients", "all"]].mean().sort_values("gradients")
        at, log = np.log(gradients), np.log(curve.gradients)
        inside = log.iloc[0] <= at <= log.iloc[-1]
        found[str(method)] = float(np.interp(at, log, curve["all"])) if inside else np.nan
    return found


def run(name: str, arguments: argparse.Namespace) -> pd.DataFrame:
    """Run all methods with all numbers of rounds on a data set."""
    methods, rounds, seeds = METHODS, ROUNDS, arguments.seeds
    if arguments.quick:
        methods, rounds, seeds = ("local", "gossip", "evidence-gossip"), ROUNDS[:2], 1
    jobs = [
        Job(name, COMPARED[name], "ring", m, KNOWN[m], s, Pace(rounds=r))
        for m in methods
        for r in rounds
        for s in range(seeds)
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        return pd.DataFrame(pool.map(done, jobs))


def plotted(everything: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw accuracy by gradients, a line for each method."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, plots = plt.subplots(
        1, len(everything), figsize=(6 * len(everything), 5), squeeze=False
    )
    styles = ["-", "--", ":", "-."]
    for axes, (name, results) in zip(plots[0], everything.items(), strict=True):
        for number, (method, part) in enumerate(results.groupby("method", sort=False)):
            curve = part.groupby("rounds")[["gradients", "all"]].mean()
            axes.semilogx(*curve.to_numpy().T, styles[number % 4], marker=".", label=method)
        axes.set_title(f"{name} (simulated)")
        axes.set_xlabel("gradients of rows per node")
    plots[0, 0].set_ylabel("accuracy before training, %")
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", frameon=False)
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    add_quick(parser, "one seed, three methods and two numbers of rounds")
    arguments = parser.parse_args()
    everything = {
        name: run(name, arguments) for name in list(COMPARED)[: 1 if arguments.quick else 2]
    }
    headline: dict[str, float | None] = {}
    for name, results in everything.items():
        headline |= printed(name, results)
    if arguments.plot:
        plotted(everything, arguments.plot)
    print_result_line(__file__, arguments.quick, headline)


def printed(name: str, results: pd.DataFrame) -> dict[str, float | None]:
    """Print the tables of a data set, and return the figures at equal compute."""
    table = results.groupby(["method", "rounds"], sort=False)
    shown = table[["gradients", "kB", "remembered kB"]].mean()
    shown.insert(0, "accuracy", [_in_words(part["all"]) for _, part in table])
    markdown(
        f"SIMULATED, {name}, schedule {COMPARED[name]}, ring: accuracy, % (95 % over seeds)",
        shown.map(lambda v: v if isinstance(v, str) else f"{v:.3g}").reset_index(),
    )
    equal = pd.DataFrame({f"{n:g}": at_equal_compute(results, n) for n in AT})
    cells = equal.map(lambda v: "" if np.isnan(v) else f"{v:.1f}")
    title = f"{name}: accuracy, %, at as many gradients of rows per node (empty: not run so)"
    markdown(title, cells.rename_axis("method").reset_index())
    return {
        f"{name}, {m} at {n} gradients": None if np.isnan(v) else v
        for n in equal
        for m, v in equal[n].items()
    }


def markdown(title: str, cells: pd.DataFrame) -> None:
    """Print a table."""
    print(f"\n{title}\n\n| {' | '.join(cells)} |\n|{'---|' * cells.shape[1]}")
    for row in cells.itertuples(index=False):
        print(f"| {' | '.join(map(str, row))} |")


def _in_words(values: "pd.Series[float]") -> str:
    value, low, high = interval(values)
    return f"{value:.1f}" if low != low else f"{value:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()

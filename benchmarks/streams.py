"""Methods on published streams that drift: accuracy, and share of the gap to the oracle closed.

    python benchmarks/streams.py [--ablate] [--seeds 10] [--jobs 2] [--quick]
    python benchmarks/streams.py --out FILE --plot FILE   keeps every row; a second run continues

FedDrift's schedules with its sources SINE, CIRCLE and SEA, SEA with 10 % wrong labels, and
hyperplanes. Ten nodes, ten steps, 100 rows per node and step, on a ring and on an exponential graph
that loses 30 % of messages. All methods have one setting. Evidence gossip was tuned on SINE and
CIRCLE X and SEA C, E and R0, seeds 100 to 103; the printed schedules and seeds are others. Accuracy
in %, over all steps and without steps at which the concept of a node had just changed. Intervals
are over seeds, as the rows of a seed are the same on every schedule. Evidence gossip lets its
learning rate fall over the rounds of a step. The comparison therefore includes peers that do so,
too, and gaps to an oracle that does and to one that does not. The last table and the plot (SVG)
rank all methods but the oracles over the 13 schedules, which count as independent streams: a
Friedman test, the critical difference of mean ranks (Nemenyi, 5 %), and paired tests (Wilcoxon) of
evidence gossip against each other method, corrected for their number (Holm).
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from critical_difference import plotted, ranked
from result_line import add_quick, print_result_line

from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.measures import gap_closed, interval
from flame.streams.methods import KNOWN, MethodConfig, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream

OWN = "evidence-gossip"
ORACLES = ("oracle", "oracle-annealed")
LOCAL = ("local", "local-scratch", "local-all", "local-window")
TWINS = ("gossip-ifca", "gossip-fedrc", "facade", "reset-and-gate")
"""Peers that are tried with an annealed learning rate as well."""
ANNEALED = tuple(f"{name}-annealed" for name in TWINS)
PEERS = ("gossip", "gossip-annealed", "gossip-adaptive-window", "gossip-ifca", "reset-and-gate")
TODAY = ("gossip-fedrc", "facade", "dac", *ANNEALED)
"""Clustered and adaptive peers of 2022 and later, and annealed twins of clustered ones."""
CENTRAL = ("fedavg", "flash", "ifca", "feddrift", "feddrift-apart", "dcfcl")
PAPER = {"feddrift-paper": "feddrift", "feddrift-apart-paper": "feddrift-apart"}
"""Methods with the published threshold, by name."""
SETS = {
    "SINE-2": ("sine", "AW", 0.0),
    "CIRCLE-2": ("circle", "AW", 0.0),
    "SEA-4": ("sea", ("B", "D", "F", "R5"), 0.0),
    "SEA-4, 10 % noise": ("sea", ("B", "D", "F", "R5"), 0.1),
    "hyperplane": ("hyperplane", "B", 0.0),
}
METHODS = {
    **KNOWN,
    **{f"{name}-annealed": replace(KNOWN[name], annealed=True) for name in TWINS},
}
GRAPHS = {
    "ring": GossipConfig(),
    "exponential, 30 % lost": GossipConfig(topology="exponential", loss=0.3),
}
PAPER_DROP = {"sine": 0.2, "circle": 0.1, "sea": 0.04, "hyperplane": 0.1}
STEPS = {"all": "all steps", "calm": "without changes"}
"""Columns of accuracies and their names in figures."""
QUICK = ("SINE-2", "A", "ring")
"""Set, schedule and graph of --quick."""
ABLATED = {
    "whole": {},
    "no births": {"births": False},
    "no joins": {"joins": False},
    "no old batches": {"old": False},
    "no fork of first weights": {"from_initial_weights": False},
    "no model of everything": {"global_model": False},
    "no heads, no families": {"heads": False},
    "old batches do not fade": {"fade": 1.0},
}


@dataclass(frozen=True)
class Job:
    """One method on one stream.

    Args:
        set: key of SETS.
        schedule: name of the schedule.
        graph: key of GRAPHS.
        name: name of the method in tables.
        method: its configuration.
        seed: seed of the stream and of the method.
        pace: training of a step.
    """

    set: str
    schedule: str
    graph: str
    name: str
    method: MethodConfig
    seed: int
    pace: Pace = Pace()


def done(job: Job) -> dict[str, object]:
    """Run a job; return its accuracies in %, and its traffic and other costs per node."""
    source, _, noise = SETS[job.set]
    plan = plan_of(ScheduleConfig(job.schedule), None, 0)
    stream = synthetic_stream(SyntheticConfig(source, noise=noise), plan, job.seed)
    network = MLP(stream.shape[0], 20)
    gossip = GRAPHS[job.graph]
    learner = begin(job.method, stream, network, gossip, job.pace, job.seed)
    rows = prequential(learner, stream)
    return {
        "set": job.set,
        "schedule": job.schedule,
        "graph": job.graph,
        "method": job.name,
        "seed": job.seed,
        "all": 100 * rows.accuracy.mean(),
        "calm": 100 * rows[~rows.changed].accuracy.mean(),
        "kB": rows.groupby("node").bytes.sum().mean() / 1e3,
        "rounds": job.pace.rounds,
        "gradients": rows.groupby("node").gradients.sum().mean(),
        "remembered kB": rows.held.max() / 1e3,
    }


def compared(seeds: int) -> Iterator[Job]:
    """Yield every method on every set; methods without a graph once, as on the ring."""
    for name, (source, schedules, _) in SETS.items():
        every = (*LOCAL, *PEERS, *TODAY, *CENTRAL, OWN, *ORACLES)
        methods = {m: METHODS[m] for m in every}
        for paper, usual in PAPER.items():
            options = {**KNOWN[usual].options, "drop": PAPER_DROP[source]}
            methods[paper] = replace(KNOWN[usual], options=options)
        for graph in GRAPHS:
            for method, how in methods.items():
                if how.exchange == "gossip" or graph == "ring":
                    for schedule in schedules:
                        for seed in range(seeds):
                            yield Job(name, schedule, graph, method, how, seed)


def ablated(seeds: int) -> Iterator[Job]:
    """Yield evidence gossip without each of its parts, and without communication."""
    variants = {k: replace(KNOWN[OWN], options=options) for k, options in ABLATED.items()}
    variants["constant learning rate"] = replace(KNOWN[OWN], annealed=False)
    variants["no communication"] = replace(KNOWN[OWN], exchange="alone")
    for name, (_, schedules, _) in list(SETS.items())[:4]:
        for variant, how in variants.items():
            for seed in range(seeds):
                yield Job(name, schedules[0], "ring", variant, how, seed)


def kept(jobs: Sequence[Job], out: Path | None, workers: int) -> pd.DataFrame:
    """Run the jobs that have no row in a file of JSON lines yet; each row is kept once it is there.

    Rows of other jobs in the file are left out.
    """
    lines = out.read_text().splitlines() if out and out.exists() else []
    rows = {_key(**row): row for row in map(json.loads, lines)}
    keys = [_key(job.set, job.schedule, job.graph, job.name, job.seed) for job in jobs]
    todo = [job for job, key in zip(jobs, keys, strict=True) if key not in rows]
    with ProcessPoolExecutor(workers) as pool:
        for row in pool.map(done, todo):
            rows[_key(**row)] = row
            if out:
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return pd.DataFrame([rows[key] for key in keys])


def _key(
    set: str, schedule: str, graph: str, method: str, seed: int, **_: object
) -> tuple[object, ...]:
    return set, schedule, graph, method, seed


def table(results: pd.DataFrame) -> dict[str, float]:
    """Print means by set and graph, then the best of each kind, and gaps closed.

    Returns the headline figures.
    """
    headline: dict[str, float] = {}
    best, gaps = [], []
    for (name, graph), part in results.groupby(["set", "graph"], sort=False):
        everywhere = results[(results.set == name) & (results.graph == "ring")]
        others = everywhere[everywhere.method.isin((*LOCAL, *CENTRAL, *PAPER))]
        part = pd.concat([part, others]).drop_duplicates(["method", "schedule", "seed"])
        means = part.groupby("method")[["all", "calm", "kB"]].mean()
        print(f"\n{name}, {graph} ({part[part.method == OWN].shape[0]} runs)\n")
        print("| method | all steps | without changes | kB a node |\n|---|---|---|---|")
        for method in (*LOCAL, *PEERS, *TODAY, *CENTRAL, *PAPER, OWN, *ORACLES):
            row = means.loc[method]
            print(f"| {method} | {row['all']:.2f} | {row.calm:.2f} | {row.kB:.0f} |")
            if method in (OWN, *ORACLES):
                for score, steps in STEPS.items():
                    headline[f"{name}, {graph}, {method}, {steps}"] = row[score]
        best.append(f"| {name}, {graph} | {_best(means)} |")
        for score, steps in STEPS.items():
            gap = _gap(part, means, score)
            gaps.append(f"| {name}, {graph} | {steps} | {gap.told} |")
            which = f"{name}, {graph}, {OWN}, {steps}"
            headline[f"{which}, more than the best local or peer"] = gap.more
            for oracle, closed in gap.closed.items():
                headline[f"{which}, share of the gap to {oracle}"] = closed
    print("\nBest of each kind: all steps / without changes\n")
    print(
        "| set, graph | local | other peer | with a server, one setting | FedDrift, its drop |",
        end="",
    )
    print(f" {OWN} | oracle | annealed oracle | kB a node: {OWN}, oracle |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(best))
    print("\nGaps closed\n")
    print(f"| set, graph | steps | {OWN} minus the best local or peer, points (95 %) |", end="")
    print(" gap to the oracle closed | to the annealed oracle | runs below the best local |")
    print("|---|---|---|---|---|---|")
    print("\n".join(gaps))
    return headline


def _best(means: pd.DataFrame) -> str:
    """Return cells with the best method of each kind."""
    kinds = (LOCAL, (*PEERS, *TODAY), CENTRAL, tuple(PAPER), (OWN,), *((o,) for o in ORACLES))
    cells = []
    for kind in kinds:
        name = means.loc[list(kind), "all"].idxmax()
        named = f" ({name})" if len(kind) > 1 else ""
        cells.append(f"{means.loc[name, 'all']:.2f} / {means.loc[name, 'calm']:.2f}{named}")
    sent = ", ".join(f"{means.loc[name, 'kB']:.0f}" for name in (OWN, "oracle"))
    return " | ".join([*cells, sent])


@dataclass(frozen=True)
class Gap:
    """What evidence gossip adds to the best local or peer.

    Args:
        more: points.
        closed: share of the gap to each oracle.
        told: cells of a table.
    """

    more: float
    closed: dict[str, float]
    told: str


def _gap(part: pd.DataFrame, means: pd.DataFrame, score: str) -> Gap:
    wide = part.pivot_table(index=["schedule", "seed"], columns="method", values=score)
    best = means.loc[[*LOCAL, *PEERS, *TODAY], score].idxmax()
    more = interval((wide[OWN] - wide[best]).groupby("seed").mean())
    margin = wide[OWN] - wide[list(LOCAL)].max(axis=1)
    cells = [f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f}), {best}"]
    closed = {}
    for oracle in ORACLES:
        closed[oracle] = gap_closed(*(means.loc[m, score] for m in (OWN, best, oracle)))
        width = means.loc[oracle, score] - means.loc[best, score]
        share = f"{100 * closed[oracle]:.0f} % of {width:.2f}"
        cells.append(share if width > 0 else f"no gap: the oracle is {-width:.2f} below {best}")
    below = f"{(margin < 0).sum()} of {len(margin)} (smallest margin {margin.min():+.2f})"
    return Gap(more.value, closed, " | ".join([*cells, below]))


def ranks(results: pd.DataFrame, plot: Path | None) -> dict[str, float]:
    """Print mean ranks and corrected tests on each graph, and draw those on the ring."""
    headline: dict[str, float] = {}
    everywhere = results[(results.graph == "ring") & ~results.method.isin(ORACLES)]
    for graph in results.graph.unique():
        part = results[(results.graph == graph) & ~results.method.isin(ORACLES)]
        part = pd.concat([part, everywhere[~everywhere.method.isin(part.method)]])
        mean = part.groupby(["set", "schedule", "method"])["all"].mean().unstack()
        found = ranked(mean, OWN)
        print(f"\nRanks over {len(mean)} streams, {graph}: Friedman p = {found.p:.1g}, critical")
        print(f"difference {found.critical:.2f}\n")
        print(f"| method | mean rank | {OWN} more accurate in | points more | p, corrected |")
        print("|---|---|---|---|---|")
        for name, row in found.table.iterrows():
            cells = [f"{row['rank']:.2f}"]
            if name != OWN:
                cells += [f"{row.wins:.0f} of {len(mean)}", f"{row.more:+.2f}", f"{row.p:.2g}"]
            print(f"| {name} | {' | '.join(cells)} |" + " | | |" * (name == OWN))
            headline[f"{graph}, {name}, rank"] = row["rank"]
        if plot and graph == "ring":
            plotted(found, plot)
    return headline


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file of JSON lines that keeps every row")
    parser.add_argument("--plot", type=Path, help="file of the diagram of ranks (SVG)")
    add_quick(parser, "one schedule of SINE-2 on a ring, one seed")
    arguments = parser.parse_args()
    jobs = list(
        (ablated if arguments.ablate else compared)(1 if arguments.quick else arguments.seeds)
    )
    if arguments.quick:
        jobs = [j for j in jobs if (j.set, j.schedule, j.graph) == QUICK]
    results = kept(jobs, arguments.out, arguments.jobs)
    if arguments.ablate:
        means = results.groupby(["method", "set"], sort=False)[["all", "calm"]].mean().unstack()
        print(means.round(2).to_string())
        headline = {
            f"{variant}, {s}, {kind}": v for (kind, s, variant), v in means.unstack().items()
        }
    else:
        headline = table(results)
        if not arguments.quick:
            headline |= ranks(results, arguments.plot)
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

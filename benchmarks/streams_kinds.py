"""Accuracy of methods on long streams with kinds of drift beyond the published schedules.

    python benchmarks/streams_kinds.py [--seeds 5] [--jobs 2] [--quick]

SEA on ten nodes and 24 steps of 100 rows over a ring, 5 % wrong labels, and one setting for all
methods. Kinds: a concept comes back after ten steps at no node, drift spreads along the graph, the
share of rows of the new concept grows (gradual), the concept itself moves (incremental), and the
features or the share of classes change while the concept stays (covariate, label). Accuracy in %,
over all steps and without those of a change; margin of evidence gossip, paired by seed.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import product, repeat
from typing import Any

import pandas as pd
from result_line import add_quick, print_result_line

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.learners.learner import Pace
from flame.streams.measures import interval, summary
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream

OWN = "evidence-gossip"
METHODS = (
    "local",
    "local-all",
    "gossip",
    "gossip-annealed",
    "gossip-window",
    "gossip-replay",
    "reset-and-gate",
    "gossip-fedrc",
    OWN,
    "oracle-annealed",
)
Kinds = dict[str, tuple[dict[str, Any], str]]
"""Schedule and what drifts, by name."""
TWICE: dict[str, Any] = {"steps": 24, "at": (6, 16), "order": (0, 1, 0)}
KINDS: Kinds = {
    "comes back": (TWICE, "concept"),
    "along the graph": ({**TWICE, "spread": "along-graph"}, "concept"),
    "gradual": ({**TWICE, "manner": "gradual", "width": 5}, "concept"),
    "incremental": ({**TWICE, "manner": "incremental", "width": 5}, "concept"),
    "covariate": (TWICE, "covariate"),
    "label": (TWICE, "label"),
}
QUICK = {"comes back": ({**TWICE, "steps": 10, "at": (3, 7)}, "concept")}


def run(kinds: Kinds, kind: str, method: str, seed: int) -> dict[str, object]:
    """Return the figures of one method on one stream."""
    keys, drift = kinds[kind]
    schedule = ScheduleConfig(**keys)
    gossip = GossipConfig()
    names = tuple(f"node-{k + 1}" for k in range(schedule.nodes))
    plan = plan_of(schedule, GossipNetwork(gossip, names).links(0), seed)
    stream = synthetic_stream(SyntheticConfig("sea", noise=0.05, drift=drift), plan, seed)
    network = MLP(stream.shape[0], 20)
    learner = begin(KNOWN[method], stream, network, gossip, Pace(), seed)
    figures = summary(prequential(learner, stream))
    return {"kind": kind, "method": method, "seed": seed, **figures}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    add_quick(parser, "one kind of 10 steps, one seed")
    arguments = parser.parse_args()
    kinds = QUICK if arguments.quick else KINDS
    seeds = 1 if arguments.quick else arguments.seeds
    runs = product(kinds, METHODS, range(seeds))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = pd.DataFrame(pool.map(run, repeat(kinds), *zip(*runs, strict=True)))
    print(f"| kind | {' | '.join(METHODS)} |\n|{'---|' * (len(METHODS) + 1)}")
    headline: dict[str, float] = {}
    for kind, part in results.groupby("kind", sort=False):
        means = 100 * part.groupby("method")[["accuracy", "without_changes"]].mean()
        cells = [f"{means.accuracy[m]:.2f} / {means.without_changes[m]:.2f}" for m in METHODS]
        headline |= {f"{kind}, {m}, accuracy": means.accuracy[m] for m in METHODS}
        print(f"| {kind} | {' | '.join(cells)} |")
    print(
        f"\n{OWN} less the best other except the oracle, points (95 % over seeds), all steps; "
        "forgetting and false alarms in 100 steps of a node\n"
    )
    for kind, part in results.groupby("kind", sort=False):
        wide = 100 * part.pivot(index="seed", columns="method", values="accuracy")
        best = wide[[m for m in METHODS[:-1] if m != OWN]].mean().idxmax()
        more = interval(wide[OWN] - wide[best])
        evidence_gossip = part[part.method == OWN]
        lost = 100 * evidence_gossip.forgetting.mean()
        false_alarms = evidence_gossip.false_alarms.mean()
        headline[f"{kind}, {OWN} less the best other"] = more.value
        headline[f"{kind}, {OWN}, points forgotten"] = lost
        headline[f"{kind}, {OWN}, false alarms in 100 steps"] = false_alarms
        print(
            f"- {kind}: {more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f}) than {best}; "
            + (f"{lost:.2f}" if lost == lost else "nothing to forget")
            + f"; {false_alarms:.0f}"
        )
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

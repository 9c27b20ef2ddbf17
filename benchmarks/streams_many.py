"""Evidence gossip on hundreds of nodes: accuracy, models in the bank, traffic and time.

    python benchmarks/streams_many.py [--nodes 200] [--seeds 3] [--quick]

CIRCLE, whose second concept reaches each node at a time of its own, one to three steps after the
first node. 100 rows per node and step, on a ring and on an exponential graph. On the ring, news
take a hundred rounds to reach all of 200 nodes, and are passed on for ten. Accuracy in % of each
step before it is learned. The comparison has gossip, which has one model, and the oracle, which
knows the concepts.
"""

import argparse
import time

import numpy as np
from result_line import add_quick, print_result_line

from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream

METHODS = ("gossip", "evidence-gossip", "oracle")


def run(nodes: int, topology: str, method: str, seed: int) -> list[float]:
    """Return the accuracy of every step but the first, models, MB per node, and s per step."""
    schedule = ScheduleConfig(
        nodes=nodes, steps=6, at=(2,), order=(0, 1), spread="staggered", delay=2
    )
    stream = synthetic_stream(SyntheticConfig("circle"), plan_of(schedule, None, seed), seed)
    gossip = GossipConfig(topology=topology)
    learner = begin(KNOWN[method], stream, MLP(2, 20), gossip, Pace(), seed)
    began = time.perf_counter()
    accuracies = 100 * prequential(learner, stream).groupby("step").accuracy.mean()
    seconds = (time.perf_counter() - began) / len(stream.batches)
    bank = getattr(learner, "bank", None)
    models = len(bank.entries) if bank else 1
    return [*accuracies, models, float(learner.exchange.sent.mean()) / 1e6, seconds]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    add_quick(parser, "20 nodes, one seed")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.nodes = 20
        arguments.seeds = 1
    print(f"{arguments.nodes} nodes, mean of {arguments.seeds} seeds\n")
    print("| graph | method | step 1 | 2 | 3 | 4 | 5 | models | MB a node | s a step |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    figures: dict[str, dict[str, float | None]] = {}
    for topology in ("ring", "exponential"):
        for method in METHODS:
            runs = [run(arguments.nodes, topology, method, seed) for seed in range(arguments.seeds)]
            means = np.mean(runs, axis=0)
            figures[f"{topology}, {method}"] = {
                "accuracy of the last step": means[-4],
                "mean accuracy": means[:-3].mean(),
                "models": None if method == "oracle" else means[-3],
                "MB a node": means[-2],
                "s a step": means[-1],
            }
            cells = [f"{cell:.1f}" for cell in means[:-3]]
            models = "2, given" if method == "oracle" else f"{means[-3]:.0f}"
            cells += [models, f"{means[-2]:.2f}", f"{means[-1]:.1f}"]
            print(f"| {topology} | {method} | {' | '.join(cells)} |", flush=True)
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

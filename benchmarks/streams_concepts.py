"""How well the bank of evidence gossip matches the true concepts, beside what a batch can tell.

    python benchmarks/streams_concepts.py [--seeds 5] [--quick]

On each source of benchmarks/streams.py, a ring of ten nodes: the adjusted Rand index (Hubert 1985)
between the models that batches teach at the end and their true concepts (1: the same partition; 0:
by chance), and numbers of models and of concepts. Concepts of SEA with neighbouring thresholds
differ in 5 to 9 % of the rows, which 10 % wrong labels hide.
"""

import argparse

import numpy as np
from result_line import add_quick, print_result_line
from sklearn.metrics import adjusted_rand_score
from streams import GRAPHS, OWN, SETS

from flame.streams.learners.evidence_gossip import EvidenceGossip
from flame.streams.learners.learner import Pace
from flame.streams.measures import interval
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream


def matched(name: str, schedule: str, seed: int) -> tuple[float, int, int]:
    """Run evidence gossip; return the index, and the numbers of models and of concepts."""
    source, _, noise = SETS[name]
    plan = plan_of(ScheduleConfig(schedule), None, 0)
    stream = synthetic_stream(SyntheticConfig(source, noise=noise), plan, seed)
    network = MLP(stream.shape[0], 20)
    learner = begin(KNOWN[OWN], stream, network, GRAPHS["ring"], Pace(), seed)
    prequential(learner, stream)
    assert isinstance(learner, EvidenceGossip)
    taught = np.concatenate([memory.entry for memory in learner.bank.memories])
    true = np.concatenate([stream.concept[memory.step] for memory in learner.bank.memories])
    known = taught >= 0
    index = adjusted_rand_score(true[known], taught[known])
    return float(index), len(learner.bank.entries), len(np.unique(stream.concept))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    add_quick(parser, "one schedule of SINE-2, one seed")
    arguments = parser.parse_args()
    headline = {}
    print("| set, schedule | adjusted Rand index (95 %) | models | concepts |\n|---|---|---|---|")
    for name, (_, schedules, _) in list(SETS.items())[: 1 if arguments.quick else None]:
        for schedule in schedules[: 1 if arguments.quick else None]:
            seeds = range(1 if arguments.quick else arguments.seeds)
            found = [matched(name, schedule, seed) for seed in seeds]
            index = interval([each[0] for each in found])
            models = np.mean([each[1] for each in found])
            where = f"{name} {schedule}"
            cells = (
                f"{index.value:.2f} ({index.low:.2f} to {min(index.high, 1):.2f}) | {models:.1f}"
            )
            print(f"| {where} | {cells} | {found[0][2]} |", flush=True)
            headline |= {f"{where}, index": index.value, f"{where}, models": float(models)}
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

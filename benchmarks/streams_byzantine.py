"""What one malicious node of ten costs the others: attacks on models, counts, evidence and labels.

    python benchmarks/streams_byzantine.py [--seeds 5] [--jobs 2] [--quick]

SEA on FedDrift's schedule B and SINE on A, ten nodes on a ring and on an exponential graph, of
which the fourth is malicious. It sends models with the opposite sign, or of noise, or just within
the spread of the honest ones (A little is enough), claims a thousand batches, forges evidence and
merges so that all models become one, or learns and tells what follows from swapped labels. Cost:
accuracy of the nine others without an attack less that under it, by the same method with its
defence switched off. Evidence gossip was tuned on other schedules and seeds. Intervals are over
seeds.

Reference:
    Baruch 2019, arXiv:1902.06156, for the attack within the spread.
"""

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.federation.gossip.network import GossipConfig
from flame.streams.exchange import EXCHANGES, Gossip
from flame.streams.learners.evidence.news import NodeEvidence, NodeMerges
from flame.streams.learners.learner import Pace
from flame.streams.measures import interval
from flame.streams.methods import MethodConfig, begin
from flame.streams.networks.base import Array
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch, Stream
from flame.streams.transport import Shared

MALICIOUS = 3
"""Number of the node, from 0."""
STREAMS = {"SEA": ("sea", "B"), "SINE": ("sine", "A")}
GRAPHS = ("ring", "exponential")
ATTACKS = ("none", "sign", "noise", "little", "evidence", "labels")
SPREAD = 1.5
"""Standard deviations that the attack within the spread moves each parameter."""
CLAIMED = 1000.0
"""Batches that the node claims to have learned from, in attacks on models."""
_own = "evidence-gossip"
METHODS: dict[str, tuple[MethodConfig, str]] = {
    "gossip": (MethodConfig(), "dpsgd"),
    "clipped gossip": (MethodConfig(), "clipped-gossip"),
    "evidence gossip": (MethodConfig(_own, annealed=True), "dpsgd"),
    "evidence gossip, one": (MethodConfig(_own, options={"num_byzantine": 1}, annealed=True), ""),
}
"""Learner, and gossip method, by name; the last one expects a malicious node."""


class Attacked(Gossip):
    """Gossip in which one node lies about models and counts, or about evidence and merges."""

    attack = "none"

    def share(self, parts: Mapping[str, Shared]) -> Mapping[str, Shared]:
        """See ``Exchange``; all that the malicious node sends is replaced."""
        if self.attack in ("sign", "noise", "little"):
            rng = np.random.default_rng([self.number, MALICIOUS])
            parts = {name: self._forged(shared, rng) for name, shared in parts.items()}
        return super().share(parts)

    def _forged(self, shared: Shared, rng: np.random.Generator) -> Shared:
        models, counts = shared.models.copy(), np.array(shared.counts, float)
        honest = models[shared.held & (np.arange(len(models)) != MALICIOUS)]
        if self.attack == "sign":
            models[MALICIOUS] *= -1
        elif self.attack == "noise":
            models[MALICIOUS] = rng.normal(0, 10, models.shape[1])
        elif len(honest) > 1:
            models[MALICIOUS] = honest.mean(axis=0) - SPREAD * honest.std(axis=0)
        counts[MALICIOUS] = CLAIMED
        return Shared(models, counts, shared.held)

    def tell(self, told: Sequence[Any], sizes: Sequence[float]) -> None:
        """See ``Exchange``; the malicious node tells that all models are one."""
        forged = list(told)
        news = forged[MALICIOUS]
        if self.attack == "evidence" and isinstance(news, NodeEvidence):
            forged[MALICIOUS] = news._replace(evidence=np.full(news.evidence.shape, 1e4))
        if self.attack == "evidence" and isinstance(news, NodeMerges):
            first, *others = news.opened or [(0, 0)]
            forged[MALICIOUS] = news._replace(pairs=[(first, other) for other in others])
        super().tell(forged, sizes)


for _attack in ATTACKS:
    EXCHANGES.register(f"gossip under {_attack}")(
        type(f"Under{_attack}", (Attacked,), {"attack": _attack})
    )


def swapped(stream: Stream) -> Stream:
    """Return the stream in which the malicious node learns the opposite of each label."""

    def turned(batch: Batch) -> Batch:
        y: Array = batch.y.copy()
        y[MALICIOUS] = 1 - y[MALICIOUS]
        return replace(batch, y=y)

    return replace(stream, batches=tuple(map(turned, stream.batches)))


def accuracy_of(job: tuple[str, str, str, str, int]) -> dict[str, object]:
    """Return the accuracy of the other nodes in %."""
    name, graph, method, attack, seed = job
    source, schedule = STREAMS[name]
    plan = plan_of(ScheduleConfig(schedule), None, 0)
    stream = synthetic_stream(SyntheticConfig(source), plan, seed)
    stream = swapped(stream) if attack == "labels" else stream
    how, mixing = METHODS[method]
    how = replace(how, exchange=f"gossip under {attack}")
    gossip = GossipConfig(topology=graph, method=mixing or "dpsgd")
    learner = begin(how, stream, MLP(stream.shape[0], 20), gossip, Pace(), seed)
    rows = prequential(learner, stream)
    others = rows[rows.node != stream.nodes[MALICIOUS]]
    keys = dict(zip(("stream", "graph", "method", "attack", "seed"), job, strict=True))
    return {**keys, "accuracy": 100 * others.accuracy.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=2)
    add_quick(parser, "one seed of SINE on a ring, attacked by noise")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + (1 if arguments.quick else arguments.seeds))
    jobs = list(product(STREAMS, GRAPHS, METHODS, ATTACKS, seeds))
    if arguments.quick:
        jobs = [j for j in jobs if j[:2] == ("SINE", "ring") and j[3] in ("none", "noise")]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        rows = pd.DataFrame(pool.map(accuracy_of, jobs))
    keys = ["stream", "graph", "method", "seed"]
    calm = rows[rows.attack == "none"].set_index(keys).accuracy
    figures: dict[str, Any] = {}
    print("| stream, graph | method | attack | accuracy, % | cost, points (95 %) |")
    print("|---|---|---|---|---|")
    for (name, graph, method, attack), part in rows.groupby(
        ["stream", "graph", "method", "attack"], sort=False
    ):
        undefended = (name, graph, method.removesuffix(", one"))
        lost = [calm[(*undefended, r.seed)] - r.accuracy for r in part.itertuples()]
        value, low, high = interval(lost)
        cost = f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
        print(f"| {name}, {graph} | {method} | {attack} | {part.accuracy.mean():.2f} | {cost} |")
        figures[f"{name}, {graph}, {method}, {attack}"] = value
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

"""Speed of rounds of peer-to-peer learning in process, by number of nodes.

    python benchmarks/gossip_speed.py [--gossipy PYTHON] [--quick]

A network of 3-20-1, 100 rows per node, and per round 5 full-batch steps of Adam and one exchange
with the neighbours on a ring, or on a random graph of 8 neighbours. PYTHON is the interpreter of an
environment that has gossipy (gossipy-dfl, with torch and dill). It runs
benchmarks/peers/gossipy_rounds.py: the same network, rows and steps, and one message per node and
round.
"""

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
from result_line import add_quick, print_result_line

from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.mlp import MLP
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream

PEER = Path(__file__).parent / "peers" / "gossipy_rounds.py"
SIZES = (10, 100, 1000)
ROUNDS = {10: 200, 100: 100, 1000: 20}


def flame(nodes: int, gossip: GossipConfig) -> float:
    """Return the seconds per round, the best of three runs after one that compiles."""
    plan = plan_of(ScheduleConfig(nodes=nodes, steps=2), None, 0)
    stream = synthetic_stream(SyntheticConfig("sea"), plan, 0)
    seconds = []
    for rounds in (1, ROUNDS[nodes], ROUNDS[nodes], ROUNDS[nodes]):
        learner = begin(KNOWN["gossip"], stream, MLP(3, 20), gossip, Pace(rounds=rounds), 0)
        started = time.perf_counter()
        learner.learn(stream.batches[0], stream.concept[0])
        seconds.append((time.perf_counter() - started) / rounds)
    return min(seconds[1:])


def peer(python: str, nodes: int) -> float:
    """Return the seconds per round of gossipy."""
    command = [python, str(PEER), str(nodes), str(max(2, ROUNDS[nodes] // 10))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gossipy", default="")
    add_quick(parser, "10 and 100 nodes only")
    arguments = parser.parse_args()
    sizes = SIZES[:2] if arguments.quick else SIZES
    graphs = {
        "ring": GossipConfig(),
        "8 neighbours": GossipConfig(topology="watts-strogatz", degree=8, probability=0.5),
    }
    print("| nodes | graph | FLAME, nodes x rounds a second | gossipy | ratio |")
    print("|---|---|---|---|---|")
    seconds: dict[tuple[int, str], float] = {}
    headline: dict[str, float | None] = {}
    for nodes in sizes:
        for name, gossip in graphs.items():
            if nodes <= gossip.degree and name != "ring":
                continue
            seconds[nodes, name] = flame(nodes, gossip)
            speed = nodes / seconds[nodes, name]
            gossipy_cells = " | "
            which = f"nodes x rounds a second, {nodes} nodes, {name}"
            headline[which] = speed
            if arguments.gossipy and name == "ring":
                gossipy_speed = nodes / peer(arguments.gossipy, nodes)
                headline[f"{which}, gossipy"] = gossipy_speed
                gossipy_cells = f"{gossipy_speed:.0f} | {speed / gossipy_speed:.0f}"
            elif name == "ring":
                headline[f"{which}, gossipy"] = None
            print(f"| {nodes} | {name} | {speed:.0f} | {gossipy_cells} |", flush=True)
    powers = [
        float(np.log10(seconds[b, "ring"] / seconds[a, "ring"]))
        for a, b in zip(sizes, sizes[1:], strict=False)
    ]
    print(f"\nTime grows with nodes to the power {', then '.join(f'{p:.2f}' for p in powers)}.")
    headline |= {f"power of nodes from {a}": p for a, p in zip(sizes, powers, strict=False)}
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

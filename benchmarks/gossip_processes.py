"""Time and traffic of a round of peer-to-peer learning between processes, against other programs.

    python benchmarks/gossip_processes.py [--decentralizepy PYTHON] [--p2pfl PYTHON] [--quick]

Four nodes on a ring of one machine, a network of 3-20-2 (3-20-1 here), 100 rows a node, and per
round 5 full-batch steps of Adam. FLAME's nodes are sites of NVIDIA FLARE, each a process of its
own, whose messages pass the server's relay with TLS; decentralizepy (EPFL, MIT) has a process for
each node, too, and plain TCP between them; p2pfl (GPL, 0.4.4) has processes with gRPC,
votes in each round, and averages over all nodes instead of neighbours. PYTHON is the interpreter of
an environment of theirs, which runs ``decentralizepy_rounds.py`` and ``p2pfl_rounds.py`` of peers/.

Each program runs few rounds and then many. The difference in time, and in bytes over the loopback
device, is divided by the difference in rounds (bytes also by nodes), so that starts do not count.
Nothing else may use the loopback device meanwhile.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from result_line import add_quick, print_result_line

from flame.pipelines.stream import run
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.learners.learner import Pace
from flame.streams.sources.schedules import ScheduleConfig
from flame.streams.sources.synthetic import SyntheticConfig

PEERS = Path(__file__).parent / "peers"
NODES = 4
ROUNDS = {"FLAME": (20, 220), "decentralizepy": (100, 1600), "p2pfl": (1, 4)}
"""Few and many rounds: a round of p2pfl lasts seconds, one of decentralizepy milliseconds."""
STEPS = 2
"""Steps of FLAME's stream, each with half of the rounds."""
Start = Callable[[int], None]


def loopback() -> int:
    """Return the bytes that the loopback device has carried."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise SystemExit("no loopback device in /proc/net/dev")


def flame(rounds: int) -> None:
    """Run FLAME's nodes."""
    config = StreamConfig(
        synthetic=SyntheticConfig("sea", samples=100),
        schedule=ScheduleConfig(nodes=NODES, steps=STEPS),
        sites=SitesConfig(engine="flare"),
        training=Pace(rounds=rounds // STEPS, local_steps=5, rate=0.02),
        compare=("gossip",),
        seeds=(0,),
    )
    with tempfile.TemporaryDirectory() as folder:
        run(config, Path(folder) / "run")


def peer(python: str, script: str) -> Start:
    """Return what runs the nodes of another program."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(rounds: int) -> None:
        command = [python, str(PEERS / script), str(NODES), str(rounds)]
        with tempfile.TemporaryDirectory() as folder:  # p2pfl writes logs where it runs
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])

    return start


def measured(start: Start, few: int, many: int) -> tuple[float, float]:
    """Return the seconds, and the bytes of a node, of one more round."""
    ends = []
    for rounds in (few, many):
        carried, began = loopback(), time.perf_counter()
        start(rounds)
        ends.append((time.perf_counter() - began, loopback() - carried))
    (seconds, sent), (more_seconds, more_sent) = ends
    more = many - few
    return (more_seconds - seconds) / more, (more_sent - sent) / more / NODES


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decentralizepy", default="")
    parser.add_argument("--p2pfl", default="")
    add_quick(parser, "fewer rounds")
    arguments = parser.parse_args()
    starts = {
        "FLAME": flame,
        "decentralizepy": peer(arguments.decentralizepy, "decentralizepy_rounds.py"),
        "p2pfl": peer(arguments.p2pfl, "p2pfl_rounds.py"),
    }
    print("| program | s a round | bytes a node and round | time against FLAME | bytes |")
    print("|---|---|---|---|---|")
    found: dict[str, tuple[float, float]] = {}
    for name, start in starts.items():
        if name != "FLAME" and not getattr(arguments, name):
            continue
        few, many = ROUNDS[name]
        many = few + max(1, (many - few) // 4) if arguments.quick else many
        found[name] = seconds, sent = measured(start, few, many)
        ratios = [a / b for a, b in zip(found[name], found["FLAME"], strict=True)]
        print(f"| {name} | {seconds:.4f} | {sent:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
        sys.stdout.flush()
    headline = {f"{name}, s a round": seconds for name, (seconds, _) in found.items()}
    headline |= {f"{name}, bytes a node and round": sent for name, (_, sent) in found.items()}
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

"""FedCCFA's protocol, labels swapped at round 100 of 200: its public code compared with FLAME.

    python benchmarks/fedccfa.py [--fedccfa PYTHON CHECKOUT] [--seeds 5] [--quick]

FedCCFA (Chen 2024, arXiv:2410.18478) swaps the labels 1 and 2 at three tenths of the clients, 3 and
4 at three tenths, and 5 and 6 at the others. Here 10 clients hold handwritten digits (UCI, with
scikit-learn), distributed as FedCCFA distributes its images: each client gets 5 of each class, and
Dirichlet(0.5) distributes the rest. On both sides the network is 64-20-10, and every client takes
part in every round. FedCCFA has its published settings, with the learning rate of the
representation that is best on another seed. FLAME's peers form an exponential graph, have the same
setting as in the other benchmarks, and get their rows as a batch every 20 rounds. The first batch
with swapped labels comes at the drift. Evidence gossip lets its learning rate fall within each
batch. Accuracy in %, on 360 other images with the labels of each client.
"""

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from result_line import add_quick, print_result_line
from sklearn.datasets import load_digits

from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.learner import Pace
from flame.streams.measures import interval
from flame.streams.methods import KNOWN, begin
from flame.streams.networks.mlp import MLP
from flame.streams.stream import Batch, Stream, padded

PEER = Path(__file__).parent / "peers" / "fedccfa_rounds.py"
CLIENTS = 10
EACH = 5
"""Images of each class that every client gets."""
ALPHA = 0.5
"""Concentration of the Dirichlet distribution of the other images."""
TEST = 360
"""Number of test images."""
RATES = (0.01, 0.03, 0.1, 0.3)
"""Learning rates of FedCCFA's representation that are tried."""
CHOSEN_ON = 100
"""Seed on which the rate is selected."""
METHODS = (
    "local",
    "fedavg",
    "feddrift",
    "feddrift-apart",
    "gossip",
    "reset-and-gate",
    "evidence-gossip",
    "oracle",
)
SWAPS = ((1, 2), (3, 4), (5, 6))


@dataclass(frozen=True)
class Times:
    """Length of a run.

    Args:
        rounds: number of rounds.
        drift: round at which labels are swapped.
        step: rounds of a step of FLAME's peers.
    """

    rounds: int = 200
    drift: int = 100
    step: int = 20


QUICK = Times(40, 20, 10)


def labels_of(y: np.ndarray, client: int) -> np.ndarray:
    """Return the labels (2, rows) of a client before and after its pair is swapped."""
    swapped = np.arange(10)
    first, second = SWAPS[min(client % 10 // 3, 2)]
    swapped[[first, second]] = second, first
    return np.stack([y, swapped[y]])


def dealt(seed: int, times: Times) -> dict[str, np.ndarray]:
    """Return the rows of every client, and the test rows."""
    rng = np.random.default_rng(seed)
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    x = x[order] / 8 - 1
    y = y[order]
    by_client: list[list[int]] = [[] for _ in range(CLIENTS)]
    for label in range(10):
        places = np.flatnonzero(y[TEST:] == label) + TEST
        shares = np.cumsum(rng.dirichlet(np.full(CLIENTS, ALPHA)))[:-1]
        rest = places[CLIENTS * EACH :]
        cuts = (shares * len(rest)).astype(int)
        for client, more in enumerate(np.split(rest, cuts)):
            by_client[client] += [*places[client * EACH : (client + 1) * EACH], *more]
    data = {"clients": np.array(CLIENTS), "drift": np.array(times.drift), "test_x": x[:TEST]}
    data["test_y"] = np.stack([labels_of(y[:TEST], k) for k in range(CLIENTS)], axis=1)
    for client, labelled in enumerate(by_client):
        rows = rng.permutation(labelled)  # a stream has no order of labels
        data[f"x{client}"] = x[rows]
        data[f"y{client}"] = labels_of(y[rows], client)
    return data


def flame(rows: dict[str, np.ndarray], method: str, seed: int, times: Times) -> list[float]:
    """Return the accuracy of a method of FLAME after every step."""
    batches: list[Batch] = []
    before = times.drift // times.step
    steps = times.rounds // times.step
    for late in (0, 1):
        each = [(rows[f"x{k}"], rows[f"y{k}"][late], rows[f"y{k}"][late]) for k in range(CLIENTS)]
        batches += [padded(each, (64,))] * before
    pairs = np.array([1 + min(k % 10 // 3, 2) for k in range(CLIENTS)])
    concept = np.stack([pairs * (step >= before) for step in range(steps)])
    names = tuple(f"client-{k}" for k in range(CLIENTS))
    stream = Stream(names, tuple("0123456789"), tuple(batches), concept, simulated=True)
    gossip = GossipConfig(topology="exponential")
    pace = Pace(rounds=times.step)
    learner = begin(KNOWN[method], stream, MLP(64, 20, 10), gossip, pace, seed)
    test = np.repeat(rows["test_x"][None], CLIENTS, axis=0)
    accuracies = []
    for step, batch in enumerate(stream.batches):
        learner.learn(batch, concept[step])
        right = learner.predict(test).argmax(axis=-1) == rows["test_y"][int(concept[step].any())]
        accuracies.append(float(right.mean()))
    return accuracies


def peer(
    command: list[str], rows: dict[str, np.ndarray], rate: float, seed: int, times: Times
) -> list[float]:
    """Return the accuracy of FedCCFA after the rounds of every step."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "rows.npz", **rows)
        done = subprocess.run(
            [
                command[0],
                str(PEER),
                command[1],
                f"{folder}/rows.npz",
                str(times.rounds),
                str(rate),
                str(seed),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    return list(json.loads(done.stdout.splitlines()[-1])[times.step - 1 :: times.step])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fedccfa", nargs=2, metavar=("PYTHON", "CHECKOUT"))
    parser.add_argument("--seeds", type=int, default=5)
    add_quick(parser, "one seed, 40 rounds instead of 200")
    arguments = parser.parse_args()
    times = QUICK if arguments.quick else Times()
    seeds = range(1 if arguments.quick else arguments.seeds)
    deals = [dealt(seed, times) for seed in seeds]
    accuracies = {m: [flame(rows, m, s, times) for s, rows in enumerate(deals)] for m in METHODS}
    if arguments.fedccfa:
        tuning = dealt(CHOSEN_ON, times)
        means = {}
        for rate in RATES:
            means[rate] = np.mean(peer(arguments.fedccfa, tuning, rate, CHOSEN_ON, times))
        best = max(RATES, key=means.__getitem__)
        name = f"FedCCFA, rate {best:g}"
        accuracies[name] = [
            peer(arguments.fedccfa, rows, best, s, times) for s, rows in enumerate(deals)
        ]
    moments = range(times.step, times.rounds + 1, times.step)
    headline = {}
    print(
        f"| after round | {' | '.join(map(str, moments))} | mean |\n|{'---|' * (len(moments) + 2)}"
    )
    for name, runs in accuracies.items():
        cells = [*np.mean(runs, axis=0), np.mean(runs)]
        headline[f"mean accuracy of {name.split(',')[0]}"] = 100 * cells[-1]
        print(f"| {name} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |")
    print(
        "\nevidence-gossip less each other, points (95 % over seeds), before and after the drift:"
    )
    headline.setdefault("mean accuracy of FedCCFA", None)
    evidence_gossip = accuracies.pop("evidence-gossip")
    before = times.drift // times.step
    for name, runs in accuracies.items():
        less = 100 * np.subtract(evidence_gossip, runs)
        parts = (less[:, :before], less[:, before:])
        margins = [interval(part.mean(axis=1)) for part in parts]
        cells = [f"{m.value:+.1f} ({m.low:+.1f} to {m.high:+.1f})" for m in margins]
        for when, margin in zip(("before", "after"), margins, strict=True):
            headline[f"evidence-gossip less {name.split(',')[0]}, {when} the drift"] = margin.value
        print(f"- {name}: {', '.join(cells)}")
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()

"""Labels that are swapped at round 100 of 200: FedCCFA's protocol, its public code beside FLAME.

    python benchmarks/fedccfa.py [--fedccfa PYTHON CHECKOUT] [--seeds 5] [--quick]

FedCCFA (Chen 2024, arXiv:2410.18478) swaps the labels 1 and 2 at three tenths of the clients, 3 and
4 at three tenths, 5 and 6 at the others. Here 10 clients hold handwritten digits (UCI, with
scikit-learn), dealt as it deals its images: 5 of each class to everybody and the rest by
Dirichlet(0.5). A network of 64-20-10 and every client in every round on both sides. FedCCFA takes
its published settings, and the learning rate of its representation that is best on another seed.
FLAME's peers sit on an exponential graph and get their rows as a batch every 20 rounds, the first
with swapped labels just at the drift, with one setting as everywhere; evidence gossip anneals in
each. Accuracy in %, on 360 other images under each client's own labels.
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
CLIENTS, EACH, ALPHA, TEST = 10, 5, 0.5, 360
RATES, CHOSEN_ON = (0.01, 0.03, 0.1, 0.3), 100
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
    """Rounds, the round at which labels are swapped, and rounds of a step of FLAME's peers."""

    rounds: int = 200
    drift: int = 100
    step: int = 20


QUICK = Times(40, 20, 10)


def labels_of(y: np.ndarray, client: int) -> np.ndarray:
    """Labels (2, rows) of a client before and after its pair is swapped."""
    named = np.arange(10)
    one, other = SWAPS[min(client % 10 // 3, 2)]
    named[[one, other]] = other, one
    return np.stack([y, named[y]])


def dealt(seed: int, times: Times) -> dict[str, np.ndarray]:
    """Rows of every client, and those to test on."""
    rng = np.random.default_rng(seed)
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    x, y = x[order] / 8 - 1, y[order]
    mine: list[list[int]] = [[] for _ in range(CLIENTS)]
    for label in range(10):
        places = np.flatnonzero(y[TEST:] == label) + TEST
        shares = np.cumsum(rng.dirichlet(np.full(CLIENTS, ALPHA)))[:-1]
        rest = places[CLIENTS * EACH :]
        cuts = (shares * len(rest)).astype(int)
        for client, more in enumerate(np.split(rest, cuts)):
            mine[client] += [*places[client * EACH : (client + 1) * EACH], *more]
    found = {"clients": np.array(CLIENTS), "drift": np.array(times.drift), "test_x": x[:TEST]}
    found["test_y"] = np.stack([labels_of(y[:TEST], k) for k in range(CLIENTS)], axis=1)
    for client, labelled in enumerate(mine):
        rows = rng.permutation(labelled)  # a stream has no order of labels
        found[f"x{client}"], found[f"y{client}"] = x[rows], labels_of(y[rows], client)
    return found


def flame(rows: dict[str, np.ndarray], method: str, seed: int, times: Times) -> list[float]:
    """Accuracy after every step of so many rounds."""
    batches: list[Batch] = []
    before, steps = times.drift // times.step, times.rounds // times.step
    for late in (0, 1):
        each = [(rows[f"x{k}"], rows[f"y{k}"][late], rows[f"y{k}"][late]) for k in range(CLIENTS)]
        batches += [padded(each, (64,))] * before
    pairs = np.array([1 + min(k % 10 // 3, 2) for k in range(CLIENTS)])
    concept = np.stack([pairs * (step >= before) for step in range(steps)])
    names = tuple(f"client-{k}" for k in range(CLIENTS))
    stream = Stream(names, tuple("0123456789"), tuple(batches), concept, simulated=True)
    gossip, pace = GossipConfig(topology="exponential"), Pace(rounds=times.step)
    learner = begin(KNOWN[method], stream, MLP(64, 20, 10), gossip, pace, seed)
    test, found = np.repeat(rows["test_x"][None], CLIENTS, axis=0), []
    for step, batch in enumerate(stream.batches):
        learner.learn(batch, concept[step])
        right = learner.predict(test).argmax(axis=-1) == rows["test_y"][int(concept[step].any())]
        found.append(float(right.mean()))
    return found


def peer(
    command: list[str], rows: dict[str, np.ndarray], rate: float, seed: int, times: Times
) -> list[float]:
    """Accuracy of FedCCFA after as many rounds each."""
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
    given = parser.parse_args()
    times, seeds = (QUICK, range(1)) if given.quick else (Times(), range(given.seeds))
    deals = [dealt(seed, times) for seed in seeds]
    found = {m: [flame(rows, m, s, times) for s, rows in enumerate(deals)] for m in METHODS}
    if given.fedccfa:
        other, means = dealt(CHOSEN_ON, times), {}
        for rate in RATES:
            means[rate] = np.mean(peer(given.fedccfa, other, rate, CHOSEN_ON, times))
        best = max(RATES, key=means.__getitem__)
        name = f"FedCCFA, rate {best:g}"
        found[name] = [peer(given.fedccfa, rows, best, s, times) for s, rows in enumerate(deals)]
    moments, headline = range(times.step, times.rounds + 1, times.step), {}
    print(
        f"| after round | {' | '.join(map(str, moments))} | mean |\n|{'---|' * (len(moments) + 2)}"
    )
    for name, runs in found.items():
        cells = [*np.mean(runs, axis=0), np.mean(runs)]
        headline[f"mean accuracy of {name.split(',')[0]}"] = 100 * cells[-1]
        print(f"| {name} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |")
    print(
        "\nevidence-gossip less each other, points (95 % over seeds), before and after the drift:"
    )
    headline.setdefault("mean accuracy of FedCCFA", None)
    mine, before = found.pop("evidence-gossip"), times.drift // times.step
    for name, runs in found.items():
        less = 100 * np.subtract(mine, runs)
        parts = (less[:, :before], less[:, before:])
        each = [interval(part.mean(axis=1)) for part in parts]
        cells = [f"{one.value:+.1f} ({one.low:+.1f} to {one.high:+.1f})" for one in each]
        for when, one in zip(("before", "after"), each, strict=True):
            headline[f"evidence-gossip less {name.split(',')[0]}, {when} the drift"] = one.value
        print(f"- {name}: {', '.join(cells)}")
    print_result_line(__file__, given.quick, headline)


if __name__ == "__main__":
    main()

"""Alarms of drift and what a change at one hospital costs the others, at run lengths of the user.

    python benchmarks/streams_alarms.py [--seeds 10] [--jobs 2] [--quick]

Streams: simulated hospitals of which one gets another scanner, without normalised intensities; the
same with another protocol; and published concepts whose labels change their meaning (SINE, SEA).
The alarms of features need no outcome, those of evidence gossip are its own, and detectors of river
watch its errors with their published settings. A change is detected if its node raises an alarm in
a step of the change; a false alarm is one in a calm step, neither a change nor the step after it.
Harm: accuracy of the hospitals that do not change, from the change on, against the same rows where
nothing changes. Nothing was tuned on seeds from 10 on, which are printed. Intervals are over seeds.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.streams.arrivals import ArrivalWatch
from flame.streams.changes import detection, own_alarms
from flame.streams.config import StreamConfig, open_network, open_stream
from flame.streams.measures import interval
from flame.streams.methods import KNOWN, begin
from flame.streams.prequential import prequential
from flame.streams.shift_watch import AlarmConfig
from flame.streams.sources.mri import MRIConfig
from flame.streams.sources.schedules import ScheduleConfig
from flame.streams.sources.synthetic import SyntheticConfig
from flame.streams.stream import Stream

RUN_LENGTHS = (20, 100)
"""Mean steps between false alarms that a user may ask for."""
RIVER = ("adwin", "page-hinkley", "hddm-w")
SCANNER = MRIConfig(hospitals=4, patients=100, normalised=False)
PROTOCOL = MRIConfig(hospitals=6, change="protocol")
STREAMS = {
    "quick": StreamConfig(mri=MRIConfig(hospitals=3, patients=20, steps=5, at=2)),
    "scanner": StreamConfig(mri=SCANNER),
    "protocol": StreamConfig(mri=PROTOCOL),
    "SINE": StreamConfig(synthetic=SyntheticConfig("sine"), schedule=ScheduleConfig("A")),
    "SEA": StreamConfig(synthetic=SyntheticConfig("sea"), schedule=ScheduleConfig("B")),
}
METHODS = ("local", "fedavg", "gossip", "evidence-gossip")
"""Methods whose harm to other hospitals is measured."""
FIRST_SEED = 10


def feature_alarms(stream: Stream, run_length: float) -> tuple[float, float]:
    """Return the share of changes with an alarm, and the alarms in 100 calm steps of a node."""
    nodes, steps = range(len(stream.nodes)), range(len(stream.batches))
    raised = np.zeros(stream.changed.shape, bool)
    for node in nodes:
        names = stream.frame.feature_names
        watch = ArrivalWatch(stream.nodes[node], names, AlarmConfig(run_length))
        for step in steps:
            watch.see(step, stream.arrived(step, node))
        moved = watch.alarms[watch.alarms.feature != ""]  # a new device alone is no test
        raised[moved.step.to_numpy(int), node] = True
    rows = pd.DataFrame(
        {
            "node": np.tile(stream.nodes, len(steps)),
            "changed": stream.changed.ravel(),
            "concept": stream.concept.ravel(),
            "alarm": raised.ravel(),
        }
    )
    return own_alarms(rows)


def alarms_of(seed: int, name: str) -> list[dict[str, object]]:
    """Return the detected share and the false alarms of everything that watches a stream."""
    config = STREAMS[name]
    stream = open_stream(config, seed)
    network = open_network(config, stream)
    found = [("features", length, feature_alarms(stream, length)) for length in RUN_LENGTHS]
    for length in RUN_LENGTHS:
        method = KNOWN["evidence-gossip"]
        learner = begin(method, stream, network, config.gossip, config.training, seed)
        run = prequential(learner, stream, RIVER, AlarmConfig(length).level)
        found.append(("evidence", length, own_alarms(run)))
    for detector in RIVER:
        share, _, false = detection(run, f"alarm_{detector}")
        found.append((f"{detector}, errors", 0, (share, false)))
    return [
        {"stream": name, "seed": seed, "by": by, "run": length, "detected": of[0], "false": of[1]}
        for by, length, of in found
    ]


def harm_of(seed: int, name: str) -> list[dict[str, object]]:
    """Return what the change of one hospital costs the others, in points of accuracy."""
    changed, last = STREAMS[name], STREAMS[name].mri.steps - 1
    calm = replace(changed, mri=replace(changed.mri, at=last))
    found = []
    for method in METHODS:
        accuracy = []
        for config in (changed, calm):
            stream = open_stream(config, seed)
            network = open_network(config, stream)
            learner = begin(KNOWN[method], stream, network, config.gossip, config.training, seed)
            rows = prequential(learner, stream)
            other = rows.node != stream.nodes[changed.mri.where]
            accuracy.append(rows[other & rows.step.between(changed.mri.at, last - 1)].accuracy)
        cost = 100 * (accuracy[1].mean() - accuracy[0].mean())
        found.append({"stream": name, "method": method, "seed": seed, "harm": cost})
    return found


def told(values: pd.Series, least: float = 0.0) -> str:
    """Return a mean with its interval over seeds, cut to what a share in % can be."""
    mean, low, high = interval(values)
    low, high = max(low, least), min(high, 100.0)
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    add_quick(parser, "one seed of a short stream")
    arguments = parser.parse_args()
    names = ["quick"] if arguments.quick else [name for name in STREAMS if name != "quick"]
    hospitals = [name for name in names if STREAMS[name].mri.hospitals]
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if arguments.quick else arguments.seeds))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        rows = [pool.map(partial(alarms_of, name=name), seeds) for name in names]
        harmed = [pool.map(partial(harm_of, name=name), seeds) for name in hospitals]
        alarms = pd.DataFrame([row for part in rows for one in part for row in one])
        harm = pd.DataFrame([row for part in harmed for one in part for row in one])
    figures = {}
    print("\nAlarms\n")
    print("| stream | alarms by | run length | changes detected, % | false in 100 calm steps |")
    print("|---|---|---|---|---|")
    for (stream, by, length), part in alarms.groupby(["stream", "by", "run"], sort=False):
        detected, false = told(100 * part.detected), told(part.false)
        print(f"| {stream} | {by} | {length or ''} | {detected} | {false} |")
        figures[f"{stream}, {by}, {length}"] = {
            "detected": part.detected.mean(),
            "false in 100": part.false.mean(),
        }
    print("\nHarm\n\n| stream | method | cost to the other hospitals, points of accuracy |")
    print("|---|---|---|")
    for (stream, method), part in harm.groupby(["stream", "method"], sort=False):
        print(f"| {stream} | {method} | {told(part.harm, least=-100.0)} |")
        figures[f"{stream}, {method}, harm"] = part.harm.mean()
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()

"""Nodes of a stream in threads of their own, which know each other by messages alone."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.mailbox import SERVER, Mailbox, Neighbours
from flame.streams.learners.learner import Pace
from flame.streams.methods import MethodConfig, begin_among
from flame.streams.networks.base import Network
from flame.streams.nodes.at_server import serve_rounds
from flame.streams.nodes.posted import Posted
from flame.streams.prequential import Prequential
from flame.streams.stream import Stream

Lost = Callable[[str, str, str], bool]
"""Whether the message of a sender to a receiver on a topic is lost."""
TIMES = (8.0, 2.0)


class Plain(json.JSONEncoder):
    """Messages as JSON, in which tuples become lists; arrays are listed exactly."""

    def default(self, value: Any) -> Any:
        return {"array": value.tolist(), "type": str(value.dtype)}


def sent(message: Any) -> Any:
    """Return a message as it arrives, so that nothing is shared by memory."""

    def array(found: dict[str, Any]) -> Any:
        return np.array(found["array"], found["type"]) if set(found) == {"array", "type"} else found

    return json.loads(json.dumps(message, cls=Plain), object_hook=array)


class Network_:
    """Mailboxes of all nodes and of a server."""

    def __init__(self, names: tuple[str, ...], lost: Lost) -> None:
        self.boxes = {name: Mailbox() for name in (*names, SERVER)}
        self.lost = lost
        self.gone: set[tuple[str, str, str]] = set()

    def post(self, sender: str) -> Callable[[str, str, Mapping[str, Any]], None]:
        def post(to: str, topic: str, items: Mapping[str, Any]) -> None:
            if self.lost(sender, to, topic):
                self.gone.add((sender, to, topic))
            else:
                self.boxes[to].put(topic, sender, sent(items))

        return post

    def neighbours(self, name: str) -> Neighbours:
        def lives(other: str, topic: str) -> bool:
            return (other, name, topic) not in self.gone

        return Neighbours(self.boxes[name], lives, TIMES)


def run_apart(
    method: MethodConfig,
    stream: Stream,
    network: Network,
    gossip: GossipConfig,
    pace: Pace,
    seed: int = 0,
    lost: Lost = lambda *_: False,
) -> list[Prequential]:
    """Run every node in a thread; return what each has done."""
    names = stream.nodes
    mail = Network_(names, lost)

    def node(place: int) -> Prequential:
        posted = Posted(place, names, "run", mail.neighbours(names[place]), mail.post(names[place]))
        peers = GossipNetwork(gossip, names, stream.links)
        own = stream.of(place)
        run = Prequential(begin_among(method, peers, network, pace, seed, posted), own.nodes)
        for step, batch in enumerate(own.batches):
            run.see(batch, own.concept[step], own.changed[step])
        return run

    with ThreadPoolExecutor(len(names) + 1) as pool:
        if method.exchange == "server":
            peers = GossipNetwork(gossip, names, stream.links)
            learner = begin_among(method, peers, network, pace, seed)
            at, part = learner.exchange, learner.server_part()
            rounds = pace.rounds * len(stream.batches)
            mailed = (mail.neighbours(SERVER), mail.post(SERVER))
            served = pool.submit(serve_rounds, at, part, "run", rounds, *mailed)
        runs = list(pool.map(node, range(len(names))))
        if method.exchange == "server":
            served.result()
    return runs


def station_files(folder: Path, count: int) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
    """Write a table of each of several stations, along a river; return files and places."""
    rng = np.random.default_rng(5)
    files, places = [], {}
    for k in range(count):
        rows = 40 + 3 * k
        day = np.sort(rng.uniform(0, 50, rows)).round(3)
        a, b = rng.normal(size=(2, rows)).round(4)
        wet = ((a > 0) ^ ((day > 20) & (k >= count // 2))).astype(int)
        path = folder / f"station-{k + 1}.csv"
        pd.DataFrame({"day": day, "a": a, "b": b, "wet": wet}).to_csv(path, index=False)
        files.append(str(path))
        places[f"station-{k + 1}"] = (47.0 + 0.3 * k, 8.0 + 0.1 * k * k)
    return tuple(files), places

"""Sites that learn peer to peer, each in a thread: the same weights, and what a death costs."""

import pickle
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput, Refusal
from flame.core.scores import Update
from flame.federation.checkpoint import Checkpoint, finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.gossip.method import METHODS
from flame.federation.gossip.network import GossipConfig
from flame.federation.in_process import in_process_call
from flame.federation.mailbox import Mailbox
from flame.federation.neighbour_calls import SENT, PeerCall
from flame.federation.run_strategy import strategy_of
from flame.federation.site import Site
from flame.federation.strategies.gossip import Gossip
from flame.federation.strategies.strategy import State
from flame.federation.task import Message
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.pipelines import evaluate, train

NAMES = ("a", "b", "c", "d")
PLAN = [
    Training(FEDERATED, NAMES, 0, 2),
    Training("federated-without-a", NAMES[1:], 0, 2),
    Training("federated-without-b", ("a", "c", "d"), 0, 2),
]


@pytest.fixture
def four(toy: TrainConfig, tmp_path: Path) -> TrainConfig:
    """The toy's two centres cut in two, on a line."""
    table = pd.read_csv(toy.data.table)
    table["centre"] = [NAMES[2 * (c == "b") + n % 2] for n, c in enumerate(table.centre)]
    path = tmp_path / "four.csv"
    table.to_csv(path, index=False)
    return replace(
        toy,
        data=replace(toy.data, table=str(path), centres=NAMES),
        federation=replace(toy.federation, strategy="gossip"),
        gossip=GossipConfig(topology="line"),
    )


def sites(config: TrainConfig) -> dict[str, Site]:
    """A task each: threads must not share a network."""
    tasks = {n: open_task(config) for n in NAMES}
    return {n: Site(t, [t.patients(load_cohort(config, n))]) for n, t in tasks.items()}


class Network:
    """Mailboxes in place of a network; whoever is ``dead`` takes and sends nothing."""

    def __init__(self, config: TrainConfig, folder: Path, heartbeat_timeout_s: float = 5.0) -> None:
        self.boxes, self.dead = {n: Mailbox() for n in NAMES}, set[str]()
        self.seen: list[tuple[str, str, str]] = []
        self.config, self.folder, self.heartbeat_timeout_s = config, folder, heartbeat_timeout_s
        self._sites, self._lock = sites(config), threading.Lock()

    def call(self, name: str) -> PeerCall:
        def post(to: str, topic: str, items: Mapping[str, Message]) -> None:
            with self._lock:
                self.seen.append((name, to, topic))
            if not {name, to} & self.dead:
                self.boxes[to].put(topic, name, items)

        strategy = strategy_of(self.config)
        assert isinstance(strategy, Gossip)

        def answer(method: str, arguments: Message) -> Message:
            return getattr(self._sites[name], method)(**arguments)

        return PeerCall(
            name,
            answer,
            self.boxes[name],
            post,
            lambda other, topic: other not in self.dead,
            strategy.peers,
            (30.0, self.heartbeat_timeout_s),
            self.folder / name,
        )

    def learn(self, name: str, rounds: int = 0, trainings: int = len(PLAN)) -> Checkpoint:
        config = self.config
        if rounds:
            config = replace(config, training=replace(config.training, rounds=rounds))
        call = self.call(name)
        mine = [f for f in PLAN[:trainings] if name in f.centres]
        coordinator = Coordinator(config, open_task(config), self.folder / name, mine)
        coordinator.run(call, call.taking_part)
        return finished(self.folder / name, PLAN[0].name)


def own(at: Checkpoint, name: str) -> list[np.ndarray]:
    return at.state.memory[f"own.{name}"]


def expected(config: TrainConfig, folder: Path) -> Checkpoint:
    coordinator = Coordinator(config, open_task(config), folder, PLAN)
    coordinator.run(in_process_call(sites(config)), lambda f: f.centres)
    return finished(folder, PLAN[0].name)


def test_a_site_that_refuses_sends_nothing_again(four: TrainConfig, tmp_path: Path) -> None:
    network = Network(four, tmp_path)
    network.call("a")("describe", ("a",))
    kept = tmp_path / "a" / SENT / "0.pickle"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(("federated:3", ["b"], {"a": {"weights": []}})))
    call = network.call("a")

    def refusing(method: str, arguments: Message) -> Message:
        raise Refusal("takes no part any more")

    call.local_call = refusing
    with pytest.raises(Refusal):
        call("describe", ("a",))
    assert not network.seen
    call.local_call = lambda method, arguments: {}
    call("describe", ("a",))
    assert network.seen == [("a", "b", "federated:3")]


@pytest.mark.parametrize("topology", ["line", "ring", "star", "full"])
def test_sites_on_their_own_learn_what_one_process_does(
    four: TrainConfig, tmp_path: Path, topology: str
) -> None:
    config = replace(four, gossip=GossipConfig(topology=topology))
    network = Network(config, tmp_path / "peers")
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = dict(zip(NAMES, pool.map(network.learn, NAMES), strict=True))
    whole = expected(config, tmp_path / "whole")
    for name in NAMES:
        for a, b in zip(own(found[name], name), own(whole, name), strict=True):
            assert np.array_equal(a, b)
    last = PLAN[-1].name
    a, b = (finished(tmp_path / part, last) for part in ("peers/c", "whole"))
    assert all(np.array_equal(v, w) for v, w in zip(own(a, "c"), own(b, "c"), strict=True))
    near = strategy_of(config).peers(NAMES).links(0)  # type: ignore[attr-defined]
    for sender, receiver, topic in network.seen:  # nothing went to anyone but neighbours
        if topic.startswith(PLAN[0].name):
            assert near[NAMES.index(receiver), NAMES.index(sender)]


def test_on_a_full_graph_of_equals_it_is_fedavg_after_every_round(four: TrainConfig) -> None:
    strategy = Gossip(GossipConfig(topology="full"), NAMES)
    start = strategy.begin(State([np.zeros(2)]), NAMES)
    updates = [Update(n, [np.full(2, float(k))], 5, 0.1, 0.0) for k, n in enumerate(NAMES)]
    after = strategy.aggregate(start, updates)
    for name in NAMES:
        assert np.allclose(strategy.weights_for(after, name)[0], 1.5)
    lost = strategy.aggregate(start, updates[:3])  # d is lost: it stays, and nobody hears it
    assert not strategy.weights_for(lost, "d")[0].any()
    assert np.allclose(strategy.weights_for(lost, "a")[0], (0 + 0.25 + 0.5) * 1 + 0.0)


@pytest.mark.slow
def test_a_dead_neighbour_costs_one_silence_and_not_one_a_round(
    four: TrainConfig, tmp_path: Path
) -> None:
    config = replace(four, training=replace(four.training, rounds=6))
    network = Network(config, tmp_path / "peers", heartbeat_timeout_s=1.0)
    begun = threading.Event()
    original = network.boxes["b"].put

    def put(topic: str, sender: str, items: Mapping[str, Message]) -> None:
        original(topic, sender, items)
        if topic == f"{PLAN[0].name}:1":
            network.dead.add("a")  # a dies when its first update is out
            begun.set()

    network.boxes["b"].put = put  # type: ignore[method-assign]
    with ThreadPoolExecutor(len(NAMES)) as pool:
        futures = {n: pool.submit(network.learn, n, 0, 1) for n in NAMES}
        assert begun.wait(60)
        started = time.monotonic()
        for name in ("b", "c", "d"):
            at = futures[name].result(60)
            assert at.round == 6
        assert time.monotonic() - started < 5.0  # one second of silence, not one in each of five
        network.boxes["a"].put("", "b", {})
        futures["a"].cancel()
    lost = [row for row in finished(tmp_path / "peers" / "b", PLAN[0].name).history if row["lost"]]
    assert {row["site"] for row in lost} >= {"a"}


def test_an_update_is_its_senders_own_and_news_that_were_heard_stay() -> None:
    box = Mailbox()
    box.put("federated:1", "d", {"d": {"weights": 4}, "b": {"weights": -9}})
    assert box.of("federated:1") == {"d": {"weights": 4}}
    box.put("news:moments:1", "b", {"b": {"sum": 1}, "c": {"sum": 2}})
    box.put("news:moments:1", "d", {"d": {"sum": 3}, "b": {"sum": -9}, "c": {"sum": -9}})
    assert box.of("news:moments:1") == {"b": {"sum": 1}, "c": {"sum": 2}, "d": {"sum": 3}}
    box.put("news:moments:1", "c", {"c": {"sum": 5}})  # its own word counts for more
    assert box.of("news:moments:1")["c"] == {"sum": 5}


def test_who_is_away_sends_nothing_and_nobody_waits_for_it(
    four: TrainConfig, tmp_path: Path
) -> None:
    config = replace(four, gossip=GossipConfig(topology="line", away={"a": (0, 2)}))
    network = Network(config, tmp_path / "peers", heartbeat_timeout_s=30.0)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = dict(zip(NAMES, pool.map(lambda n: network.learn(n, 0, 1), NAMES), strict=True))
    whole = expected(config, tmp_path / "whole")
    for name in NAMES:
        assert all(
            np.array_equal(a, b)
            for a, b in zip(own(found[name], name), own(whole, name), strict=True)
        )
    sent = {(one, topic) for one, _, topic in network.seen if topic.startswith(PLAN[0].name)}
    assert {topic for one, topic in sent if one == "a"} == {f"{PLAN[0].name}:3"}
    assert not [row for row in found["b"].history if row["lost"]]


@pytest.mark.parametrize("method", [name for name in METHODS if not METHODS[name].lossless])
def test_who_is_away_stays_as_it_was_with_any_method(method: str) -> None:
    strategy = Gossip(GossipConfig(method=method, away={"d": (0,)}), NAMES)
    start = strategy.begin(State([np.zeros(2)]), NAMES)
    after = strategy.aggregate(start, [Update(n, [np.ones(2)], 5, 0.1, 0.0) for n in NAMES])
    assert not strategy.weights_for(after, "d")[0].any()
    assert strategy.weights_for(after, "b")[0].any()


def test_nothing_of_others_is_kept_when_all_is_done(four: TrainConfig, tmp_path: Path) -> None:
    network = Network(four, tmp_path)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(lambda n: network.learn(n, rounds=1), NAMES))
    assert list((tmp_path / "a" / SENT).glob("*.pickle"))
    network.call("a").forget()
    assert not list((tmp_path / "a").rglob("*.pickle"))


def test_a_killed_federation_goes_on_to_the_same_weights(four: TrainConfig, tmp_path: Path) -> None:
    # All were killed after two rounds of three.
    network = Network(four, tmp_path / "peers")
    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(lambda n: network.learn(n, rounds=2), NAMES))
    again = Network(four, tmp_path / "peers")
    for name in NAMES:
        path = tmp_path / "peers" / name / "models" / f"{PLAN[0].name}.npz"
        arrays = dict(np.load(path))
        arrays["finished"] = np.bool_(False)
        np.savez(path, **arrays)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = dict(zip(NAMES, pool.map(again.learn, NAMES), strict=True))
    whole = expected(four, tmp_path / "whole")
    for name in NAMES:
        assert all(
            np.array_equal(a, b)
            for a, b in zip(own(found[name], name), own(whole, name), strict=True)
        )


@pytest.mark.slow
def test_gossip_trains_evaluates_and_has_a_model_a_centre(
    four: TrainConfig, tmp_path: Path
) -> None:
    train.run(four, tmp_path / "run")
    report = evaluate.run(tmp_path / "run").report
    assert {s.model for s in report.scores} >= {"federated", "local", "pooled"}
    at = finished(tmp_path / "run", PLAN[0].name)
    assert not np.array_equal(own(at, "a")[0], own(at, "d")[0])


@pytest.mark.parametrize(
    ("section", "given", "message"),
    [
        ("federation", {"secure": True}, "strategy gossip"),
        ("federation", {"bits": 8}, "gossip"),
        ("training", {"validation": 4}, "gossip"),
        ("federation", {"engine": "flare"}, "gossip.method on FLARE"),
    ],
)
def test_what_gossip_does_not_go_with(
    four: TrainConfig, section: str, given: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        replace(
            four,
            gossip=GossipConfig(method="push-sum"),
            **{section: replace(getattr(four, section), **given)},
        )

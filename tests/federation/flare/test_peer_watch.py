"""Peer to peer on FLARE: the weights of one process, and a server that sees none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import FlameError
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.flare.peer_watch import watch_peers
from flame.federation.flare.trainings import flare_plan
from flame.federation.gossip.network import GossipConfig
from flame.pipelines import train

NAMES = ("a", "b", "c")


def in_three(toy: TrainConfig, folder: Path) -> TrainConfig:
    table = pd.read_csv(toy.data.table)
    table["centre"] = [NAMES[n % 3] for n in range(len(table))]
    path = folder / "three.csv"
    table.to_csv(path, index=False)
    return replace(
        toy,
        data=replace(toy.data, table=str(path), centres=NAMES),
        training=replace(toy.training, rounds=2),
        federation=replace(toy.federation, strategy="gossip"),
        gossip=GossipConfig(topology="line"),
    )


@pytest.mark.slow
@pytest.mark.flare
def test_sites_end_with_the_weights_of_one_process_and_the_server_with_none(
    toy: TrainConfig, tmp_path: Path
) -> None:
    config = in_three(toy, tmp_path)
    train.run(config, tmp_path / "here")
    on_flare = replace(config, federation=replace(config.federation, engine="flare"))
    train.run(on_flare, tmp_path / "flare")
    for training in flare_plan(config):
        one, other = (finished(tmp_path / run, training.name) for run in ("here", "flare"))
        for site in training.centres:
            pairs = zip(*(at.state.memory[f"own.{site}"] for at in (one, other)), strict=True)
            assert all(np.array_equal(a, b) for a, b in pairs)
    server = tmp_path / "flare" / "flare" / "flame" / "server"
    assert server.is_dir()
    assert not list(server.rglob("*.npz"))


class Sites:
    """What the server has of sites; all that they answer is kept."""

    heartbeat_timeout_s = 0.1

    def __init__(self, states: dict[str, list[dict[str, Any]]]) -> None:
        self.states, self.answered = states, list[dict[str, Any]]()
        self.proxies = {name: lambda timeout, name=name: self.proxy(name) for name in states}

    def proxy(self, name: str) -> Any:
        sites = self

        class Proxy:
            def start_peer(self, run: str) -> dict[str, Any]:
                return self.peer_state()

            def peer_state(self) -> dict[str, Any]:
                left = sites.states[name]
                sites.answered.append(left.pop(0) if len(left) > 1 else left[0])
                return sites.answered[-1]

        return Proxy()


def state(done: int, finished: bool = False, error: str = "") -> dict[str, Any]:
    return {
        "done": done,
        "total": 9,
        "finished": finished,
        "error": error,
        "refused": False,
    }


def test_all_that_the_server_gets_is_how_far_sites_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flame.federation.flare.peer_watch._POLL", 0.0)
    sites = Sites({"a": [state(1), state(5), state(9, True)], "b": [state(9, True)]})
    shown: list[tuple[int, int]] = []
    watch_peers(sites, "run", lambda done, total: shown.append((done, total)))  # type: ignore[arg-type]
    assert shown[0] == (1, 9)
    assert shown[-1] == (9, 9)
    assert len(json.dumps(sites.answered)) < 500


def test_a_site_that_failed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flame.federation.flare.peer_watch._POLL", 0.0)
    sites = Sites({"a": [state(1), state(2, error="failed (ValueError)")], "b": [state(9, True)]})
    with pytest.raises(FlameError, match=r"site a failed \(ValueError\)"):
        watch_peers(sites, "run", lambda done, total: None)  # type: ignore[arg-type]


def test_what_a_peer_tells_has_no_array(toy: TrainConfig, tmp_path: Path) -> None:
    from flame.federation.flare.peer import Peer
    from flame.federation.mailbox import Mailbox

    def broken(method: str, arguments: Any) -> Any:
        raise ValueError("patient 0815 has no image")

    config = replace(in_three(toy, tmp_path), data=replace(toy.data, centres=NAMES))
    peer = Peer("a", config, flare_plan(config), broken, {}, tmp_path, Mailbox(), False)
    peer.thread.join(30)
    assert str(peer.state["error"]).startswith("failed (ValueError); the reason is at")
    assert "0815" not in json.dumps(peer.state)

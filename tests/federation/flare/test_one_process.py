"""One live process for each kit: who keeps the name of a site, and what both are told."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flame.federation.flare import one_process
from flame.federation.flare.one_process import guard, installation_of


class Connection:
    def __init__(self, name: str, address: str = "10.0.0.1:1") -> None:
        self.sent: list[dict[str, Any]] = []
        self.last_activity = time.time()
        found = {"peer_cn": name, "peer_addr": address}
        self.conn = SimpleNamespace(get_conn_properties=lambda: found, close=lambda: None)

    def send_dict(self, kind: int, stream: int, data: dict[str, Any]) -> None:
        self.sent.append(data)

    def told(self) -> list[str]:
        return [data["flame_notice"] for data in self.sent]


class Endpoint:
    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties

    def set_prop(self, name: str, value: Any) -> None:
        self.properties[name] = value

    def get_prop(self, name: str) -> Any:
        return self.properties.get(name)


def manager() -> Any:
    """FLARE's manager, as far as it matters: whoever comes last gets the name."""

    class Manager:
        def __init__(self, local_endpoint: Endpoint) -> None:
            self.local_endpoint, self.sfm_endpoints = local_endpoint, dict[str, Any]()

        def update_endpoint(self, connection: Connection, data: dict[str, Any]) -> None:
            known = SimpleNamespace(endpoint=Endpoint(data), connections=[connection])
            self.sfm_endpoints[data["endpoint_name"]] = known

    return Manager


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(one_process, "Timer", lambda s, f: SimpleNamespace(start=f))
    kind = manager()
    guard(kind, "here", tmp_path / "notices.log")
    return kind(Endpoint({}))


def greeting(name: str, installation: str) -> dict[str, Any]:
    return {"endpoint_name": name, "flame_installation": installation}


def test_the_first_keeps_its_name_and_both_are_told(server: Any, tmp_path: Path) -> None:
    assert server.local_endpoint.properties == {"flame_installation": "here"}
    real, copy = Connection("a"), Connection("a", "10.6.6.6:2")
    server.update_endpoint(real, greeting("a", "ward"))
    for _ in range(2):
        server.update_endpoint(copy, greeting("a", "attic"))
    assert server.sfm_endpoints["a"].connections == [real]
    assert copy.told() == ["the server refuses this kit: a is connected from elsewhere"] * 2
    (told,) = real.told()
    assert "a copy of this kit at 10.6.6.6:2 was refused" in told
    (line,) = (tmp_path / "notices.log").read_text().splitlines()
    assert "refused: a second process of a from 10.6.6.6:2" in line


def test_a_restart_and_a_dead_connection_give_way(server: Any) -> None:
    first, again, moved = (Connection("a") for _ in range(3))
    server.update_endpoint(first, greeting("a", "ward"))
    server.update_endpoint(again, greeting("a", "ward"))
    assert server.sfm_endpoints["a"].connections == [again]
    again.last_activity -= 31
    server.update_endpoint(moved, greeting("a", "attic"))
    assert server.sfm_endpoints["a"].connections == [moved]


def test_a_wrong_certificate_is_left_to_flare(server: Any) -> None:
    real, liar = Connection("a"), Connection("b")
    server.update_endpoint(real, greeting("a", "ward"))
    server.update_endpoint(liar, greeting("a", "attic"))  # FLARE's own method refuses it
    assert real.told() == []


def test_a_notice_is_written_down_and_changes_nothing(server: Any, tmp_path: Path) -> None:
    server.update_endpoint(Connection("s"), {"endpoint_name": "s", "flame_notice": "be careful"})
    assert server.sfm_endpoints == {}
    assert (tmp_path / "notices.log").read_text().endswith("UTC be careful\n")


def test_an_installation_is_a_machine_and_a_folder(tmp_path: Path) -> None:
    assert installation_of(tmp_path / "a") == installation_of(tmp_path / "." / "a")
    assert installation_of(tmp_path / "a") != installation_of(tmp_path / "b")
    assert str(tmp_path) not in installation_of(tmp_path / "a")

"""One live process and one key for each site: who keeps a name, and what both are told."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nvflare.fuel.f3.sfm.conn_manager import Mode

from flame.federation.flare import one_process
from flame.federation.flare.one_process import guard, installation_of, is_replaced, remember

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


class Connection:
    def __init__(self, cn: str, address: str = "10.0.0.1:1", made: datetime | None = MARCH) -> None:
        self.sent: list[dict[str, Any]] = []
        self.last_activity = time.time()
        self.made = made
        found = {"peer_cn": cn, "peer_addr": address}
        self.conn = SimpleNamespace(
            get_conn_properties=lambda: found,
            close=lambda: None,
            connector=SimpleNamespace(mode=Mode.PASSIVE),
        )

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
    """FLARE's manager, as far as it matters: whoever comes last gets the name, without blanks."""

    class Manager:
        def __init__(self, local_endpoint: Endpoint) -> None:
            self.local_endpoint, self.sfm_endpoints = local_endpoint, dict[str, Any]()

        def update_endpoint(self, connection: Connection, data: dict[str, Any]) -> None:
            known = SimpleNamespace(endpoint=Endpoint(data), connections=[connection])
            self.sfm_endpoints[data["endpoint_name"].strip()] = known

    return Manager


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(one_process, "Timer", lambda s, f: SimpleNamespace(start=f))
    monkeypatch.setattr(one_process, "made_at", lambda connection: connection.made)
    kind = manager()
    guard(kind, "here", tmp_path)
    return kind(Endpoint({}))


def greeting(name: str, installation: str) -> dict[str, Any]:
    return {"endpoint_name": name, "flame_installation": installation}


def holder(server: Any, name: str = "a") -> Connection:
    (found,) = server.sfm_endpoints[name].connections
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["a", "a ", " a"])
def test_the_first_keeps_its_name_and_both_are_told(server: Any, tmp_path: Path, name: str) -> None:
    assert server.local_endpoint.properties == {"flame_installation": "here"}
    real, copy = Connection("a"), Connection("a", "10.6.6.6:2")
    server.update_endpoint(real, greeting("a", "ward"))
    for _ in range(2):
        server.update_endpoint(copy, greeting(name, "attic"))
    assert holder(server) is real
    assert copy.told() == ["the server refuses this kit: a is connected from elsewhere"] * 2
    assert "a copy of this kit at 10.6.6.6:2 was refused" in real.told()[0]
    (line,) = (tmp_path / "notices.log").read_text().splitlines()
    assert "refused: a from 10.6.6.6:2: a is connected from elsewhere" in line


def test_a_restart_and_a_dead_connection_give_way(server: Any) -> None:
    first, again, moved = (Connection("a") for _ in range(3))
    server.update_endpoint(first, greeting("a", "ward"))
    server.update_endpoint(again, greeting("a", "ward"))
    assert holder(server) is again
    again.last_activity -= 31
    server.update_endpoint(moved, greeting("a", "attic"))
    assert holder(server) is moved


def test_a_renewed_key_takes_the_name_over_and_shuts_the_older_one_out(server: Any) -> None:
    """Even while the thief of the old kit is connected, and for the processes of its jobs."""
    thief, real = Connection("a"), Connection("a", made=MARCH + timedelta(days=30))
    server.update_endpoint(thief, greeting("a", "attic"))
    server.update_endpoint(real, greeting("a", "ward"))
    assert holder(server) is real
    real.last_activity -= 3600  # and when the real site is away
    for name in ("a", "a.0f0e-job"):
        server.update_endpoint(thief, greeting(name, "attic"))
    assert (
        thief.told()
        == ["the server refuses this kit: it has been renewed; use the renewed kit"] * 2
    )
    assert holder(server) is real
    assert "a.0f0e-job" not in server.sfm_endpoints
    server.update_endpoint(Connection("b"), greeting("b", "x"))
    assert "b" in server.sfm_endpoints


def test_a_wrong_certificate_is_left_to_flare(server: Any, tmp_path: Path) -> None:
    real, liar = Connection("a"), Connection("b", made=MARCH + timedelta(days=99))
    server.update_endpoint(real, greeting("a", "ward"))
    server.update_endpoint(liar, greeting("a", "attic"))  # FLARE's own method refuses it
    assert real.told() == []
    assert not is_replaced(tmp_path, "a", MARCH)


def test_notices_come_from_the_server_alone_and_in_one_line(server: Any, tmp_path: Path) -> None:
    visitor, to_server = Connection("s"), Connection("s")
    to_server.conn.connector.mode = Mode.ACTIVE
    server.update_endpoint(visitor, {"endpoint_name": "s", "flame_notice": "b is gone"})
    assert not (tmp_path / "notices.log").exists()
    text = "be careful\nb is gone" + "x" * 999
    server.update_endpoint(to_server, {"endpoint_name": "s", "flame_notice": text})
    assert server.sfm_endpoints == {}
    (line,) = (tmp_path / "notices.log").read_text().splitlines()
    assert "be careful" in line
    assert len(line) < 400


def test_sites_that_join_together_are_all_remembered(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=remember, args=(tmp_path, f"s{n}", MARCH)) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    earlier = MARCH - timedelta(days=1)
    assert all(is_replaced(tmp_path, f"s{n}", earlier) for n in range(20))


def test_an_installation_is_a_machine_and_a_folder(tmp_path: Path) -> None:
    assert installation_of(tmp_path / "a") == installation_of(tmp_path / "." / "a")
    assert installation_of(tmp_path / "a") != installation_of(tmp_path / "b")
    assert str(tmp_path) not in installation_of(tmp_path / "a")

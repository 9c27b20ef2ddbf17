"""A dashboard that is asked over its socket, by its owner and by others."""

import http.client
import re
import socket
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.pipelines.dashboard import Dashboard, shown


def asked(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    assert "default-src 'none'" in (
        answer.getheader("Content-Security-Policy") or "default-src 'none'"
    )
    return answer.status, answer.read().decode()


def test_only_who_has_the_key_reads_it(tmp_path: Path) -> None:
    said: list[str] = []
    dashboard = Dashboard(tmp_path)
    say = dashboard.hears(said.append)
    say("a joined")
    with shown(dashboard, 0, said.append):
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", said[-1])
        assert found is not None
        port, path = int(found[1]), found[2]
        status, page = asked(port, path)
        assert status == 200
        assert "a joined" in page
        for wrong in ("/", "/x/", path + "runs/none", path + "runs/..%2f", path + "other"):
            status, page = asked(port, wrong)
            assert status == 404, wrong
            assert "joined" not in page
        # A web page under a name that its owner lets point to this machine gets nothing.
        assert asked(port, path, host="evil.example.org")[0] == 404
        assert asked(port, path, method="POST")[0] == 501
    assert said[:1] == ["a joined"]
    with pytest.raises(ConnectionRefusedError):
        asked(port, path)


def test_the_page_of_a_site_and_of_a_run(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("x,y\n1,3\n2,\n")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "policy.toml").write_text("least_patients = 9\n")
    site = Dashboard(tmp_path, table)
    page = site.page(f"/{site.key}/")
    assert page is not None
    assert "A table of 2 rows. Missing values: y 1." in page
    assert "fewer than 9 patients" in page
    run = tmp_path / "flame-runs" / "cnn"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("# broken")
    page = Dashboard(tmp_path, table).page("/wrong/runs/cnn")
    assert page is None


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as busy,
        pytest.raises(BadInput, match="give another port"),
        shown(Dashboard(tmp_path), busy.getsockname()[1], print),
    ):
        pass

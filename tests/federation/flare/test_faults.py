"""Further faults of the catalogue (``tests/federation/faults.toml``), on real processes."""

import os
import shutil
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from tests.federation.flare.test_real_federation import (
    LONGEST_S,
    same_as_in_process,
    settings,
)
from tests.helpers.hospitals import FLAME, SITES, Cable, Hospitals, until

pytestmark = [pytest.mark.flare, pytest.mark.slow]
KILLED_IN = """
import os, signal
from pathlib import Path
{imports}
work, killed = {where}, Path("{killed}")
def dying(self, *arguments, **named):
    if {when} and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(self, *arguments, **named)
{where} = dying
"""
SLOW = """
import time
from flame.federation.flare.site import FlareSite
work = FlareSite._work
def slow(self, here, method, arguments):
    which = (method, arguments.get("number"), arguments.get("name"))
    if which == ("train", 2, "federated.seed-0.all"):
        time.sleep(45)
    return work(self, here, method, arguments)
FlareSite._work = slow
"""
JUMPING = """
import time
from pathlib import Path
right, wrong = time.time, Path("{wrong}")
time.time = lambda: right() + (7200 if wrong.exists() else 0)
"""


def ended(hospitals: Hospitals, submitted: "subprocess.Popen[bytes]", code: int = 0) -> str:
    assert submitted.wait(LONGEST_S) == code, hospitals.said()
    return " ".join(hospitals.said().split())


def run_with_one_killed(
    hospitals: Hospitals, toy: TrainConfig, who: str, imports: str, where: str, when: str
) -> str:
    """Run with a process that kills itself once in a method, and compare with a run in process."""
    root, config = hospitals.root, settings(toy, 4)
    killed = root / "killed"
    hospitals.start(*({"server", *SITES} - {who}))
    hospitals.start(
        who, changed=KILLED_IN.format(imports=imports, where=where, when=when, killed=killed)
    )
    said = ended(hospitals, hospitals.submit(config, root / "run"))
    assert killed.exists()
    same_as_in_process(config, root / "run", root / "here")
    return said


def test_a_worker_is_killed_for_want_of_memory(hospitals: Hospitals, toy: TrainConfig) -> None:
    """As the kernel's OOM killer does it: SIGKILL in the middle of training."""
    said = run_with_one_killed(
        hospitals,
        toy,
        "b",
        imports="from flame.federation.site import Site",
        where="Site.train",
        when="named.get('number') == 2",
    )
    assert "going on from the last round" in said


def test_the_server_is_killed_while_it_aggregates(hospitals: Hospitals, toy: TrainConfig) -> None:
    run_with_one_killed(
        hospitals,
        toy,
        "server",
        imports="from flame.federation.strategies.fedavg import FedAvg",
        where="FedAvg.aggregate",
        when="len(arguments[1]) == 2",
    )


def test_a_slow_site_is_left_out_of_a_round_and_named(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    config = settings(toy, 4)
    limits = replace(config.federation, timeout_s=30.0, min_available_sites=1)
    config = replace(config, federation=limits)
    hospitals.start("server", "a")
    hospitals.start("b", changed=SLOW)
    ended(hospitals, hospitals.submit(config, tmp_path / "run"))
    history = finished(tmp_path / "run", "federated.seed-0.all").history
    lost = [(row["round"], row["site"], row["lost"]) for row in history if row["lost"]]
    assert lost[0] == (2, "b", "took longer than federation.timeout_s = 30 s")
    assert history[-1]["site"] == "b"
    assert not history[-1]["lost"]  # it is back in the last round


def test_a_connection_that_is_open_and_carries_nothing(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    """Half-open TCP, as after a firewall forgot a connection: no end, no error, no bytes."""
    cable = Cable(hospitals.port)
    path = hospitals.kit("b") / "startup" / "fed_client.json"
    path.write_text(path.read_text().replace(f":{hospitals.port}", f":{cable.port}"))
    config = settings(toy, 30)
    try:
        hospitals.start("server", *SITES)
        submitted = hospitals.submit(config, tmp_path / "run")
        until(lambda: hospitals.rounds() >= 8)
        cable.stall()
        until(lambda: "site b was silent" in " ".join(hospitals.said().split()), 120)
        cable.flow()
        ended(hospitals, submitted)
    finally:
        cable.close()
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, unshare")
def test_the_server_moves_to_another_address(toy: TrainConfig, tmp_path: Path) -> None:
    """Its name points elsewhere from then on, as after a move or with a changing address."""
    name, hosts = "server.hospital.test", tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.2 {name}\n")
    hospitals = Hospitals(tmp_path, toy, hosts=(name,))
    before = Cable(hospitals.port, ("127.0.0.2", 0))
    path = hospitals.kit("b") / "startup" / "fed_client.json"
    there = path.read_text().replace(f"localhost:{hospitals.port}", f"{name}:{before.port}")
    assert name in there
    path.write_text(there)
    config = settings(toy, 30)
    after = None
    try:
        hospitals.start("server", "a")
        hospitals.start("b", hosts=hosts)
        submitted = hospitals.submit(config, tmp_path / "run")
        until(lambda: hospitals.rounds() >= 8)
        before.close()
        hosts.write_text(f"127.0.0.1 localhost\n127.0.0.3 {name}\n")
        after = Cable(hospitals.port, ("127.0.0.3", before.port))
        ended(hospitals, submitted)
    finally:
        hospitals.stop()
        if after:
            after.close()
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")


def test_a_clock_jumps_during_a_run(hospitals: Hospitals, toy: TrainConfig, tmp_path: Path) -> None:
    """Two hours forward at a site, as when its clock is set; nobody is lost."""
    wrong, config = tmp_path / "wrong", settings(toy, 30)
    hospitals.start("server", "a")
    hospitals.start("b", changed=JUMPING.format(wrong=wrong))
    submitted = hospitals.submit(config, tmp_path / "run")
    until(lambda: hospitals.rounds() >= 8)
    wrong.touch()
    said = ended(hospitals, submitted)
    assert "going on" not in said
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")


def test_the_lead_is_gone_and_comes_back(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    config = settings(toy, 12)
    hospitals.start("server", *SITES)
    first = hospitals.submit(config, tmp_path / "run")
    until(lambda: hospitals.rounds() >= 6)
    first.send_signal(signal.SIGKILL)
    first.wait()
    ended(hospitals, hospitals.submit(config, tmp_path / "run"))
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")


def test_two_leads_at_once(hospitals: Hospitals, toy: TrainConfig, tmp_path: Path) -> None:
    """Both runs end with the models that each has alone."""
    hospitals.start("server", *SITES)
    one, other = settings(toy, 3), settings(toy, 4)
    both = [hospitals.submit(one, tmp_path / "one")]
    until(lambda: "waiting" in hospitals.said() or hospitals.rounds() > 0)
    both.append(hospitals.submit(other, tmp_path / "other"))
    for submitted in both:
        ended(hospitals, submitted)
    same_as_in_process(one, tmp_path / "one", tmp_path / "one-here")
    same_as_in_process(other, tmp_path / "other", tmp_path / "other-here")


def test_a_site_without_a_column_ends_the_run_at_once(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    """Another job would end alike, so there is none; the text of the error stays at the site."""
    table = hospitals.root / "b" / "patients.csv"
    pd.read_csv(table).drop(columns="x").to_csv(table, index=False)
    hospitals.start("server", *SITES)
    said = ended(hospitals, hospitals.submit(settings(toy, 3), tmp_path / "run"), code=1)
    assert "site b failed (BadInput); the reason is at that machine" in said
    assert "going on" not in said
    (log,) = (hospitals.root / "b").glob("*.errors.log")
    assert "x" in log.read_text()
    assert str(table) not in said


def test_a_run_goes_on_with_more_rounds(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    hospitals.start("server", *SITES)
    ended(hospitals, hospitals.submit(settings(toy, 3), tmp_path / "run"))
    longer = hospitals.submit(settings(toy, 6), tmp_path / "run", "--continue")
    said = ended(hospitals, longer)
    assert "every model at every hospital" in said
    assert (tmp_path / "run" / "report.html").exists()
    same_as_in_process(settings(toy, 6), tmp_path / "run", tmp_path / "here")


def test_a_port_that_is_taken_and_a_server_that_does_not_answer(
    hospitals: Hospitals, tmp_path: Path
) -> None:
    with socket.create_server(("", hospitals.port)):
        command = [*FLAME, "serve", str(hospitals.kit("server"))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert f"port {hospitals.port} cannot be used" in " ".join(done.stderr.split())
    hospitals.start("a")
    until(lambda: "refuses connections" in (tmp_path / "a.out").read_text(), 120)
    hospitals.start("server")
    until(lambda: "connected\n" in (tmp_path / "a.out").read_text(), 120)
    hospitals.kill("server")
    until(lambda: "the server is gone since" in (tmp_path / "a.out").read_text(), 60)
    hospitals.start("server")
    until(lambda: "the server is back" in (tmp_path / "a.out").read_text(), 120)
    until(lambda: "a joined again" in (tmp_path / "server.out").read_text(), 120)

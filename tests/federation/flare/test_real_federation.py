"""Separate processes, folders and sockets in secure mode: the weights of a run in process."""

import json
import pickle
import re
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.federation.checkpoint import MODELS, finished, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.flare.trainings import flare_plan
from flame.federation.gossip.network import GossipConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.pipelines import monitor, train
from tests.helpers.hospitals import PERSON, SITES, Cable, Hospitals, until

pytestmark = pytest.mark.flare
OLDER = "from flame.core import version\nversion.__version__ = '0.0.1'\n"
LONGEST_S = 900
"""Wall time after which a run counts as hanging; on a busy machine it takes minutes."""
SMALL_PIECES = "import flame.federation.flare.pieces as p; p.PIECE, p.LARGE = 8, 8"
"""One or two numbers in each piece; two or more numbers are a large message."""
WENT_ON = re.compile(
    "(site b was silent for 5 s|NVIDIA FLARE ended the job, .*); going on from the last round"
)
"""Message of whoever notices the loss first: FLAME's heartbeat or NVIDIA FLARE."""
DIES_SENDING = """
import os, signal
from pathlib import Path
from flame.federation.flare.site import FlareSite
work, died = FlareSite._work, Path("{died}")
def dying(self, here, method, arguments):
    answer = work(self, here, method, arguments)
    if method == "train" and arguments["number"] == 4 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
FlareSite._work = dying
"""
STUCK_SENDING = """
import threading
from pathlib import Path
from flame.federation.flare.site import FlareSite
from nvflare.app_common.np.np_downloader import ArrayDownloadable
work, produce, stuck = FlareSite._work, ArrayDownloadable.produce_item, Path("{stuck}")
def armed(self, here, method, arguments):
    answer = work(self, here, method, arguments)
    if method == "train" and arguments["number"] == 4 and not stuck.exists():
        stuck.touch()
    return answer
def sending(self, index):
    if stuck.exists() and not stuck.with_suffix(".over").exists():
        threading.Event().wait()
    return produce(self, index)
FlareSite._work, ArrayDownloadable.produce_item = armed, sending
"""
SPY = """
from nvflare.fuel.f3.cellnet.core_cell import CoreCell
process = CoreCell.process_message
def spied(self, endpoint, connection, app_id, message):
    with open("{frames}", "ab") as file:
        file.write(bytes(message.payload or b""))
    process(self, endpoint, connection, app_id, message)
CoreCell.process_message = spied
"""
KEEPS = """
from pathlib import Path
from flame.federation.neighbour_calls import SENT, PeerCall
forget = PeerCall.forget
def copied(self):
    (self.folder / SENT).rename(self.folder / "copied")
    forget(self)
PeerCall.forget = copied
"""
FULL_DISK = """
import errno, os
replace = os.replace
def failing(source, target):
    if str(target).endswith(".npz") and os.path.exists("{full}"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    replace(source, target)
os.replace = failing
"""
SENDS = """
from flame.federation.flare.site import FlareSite
work = FlareSite._work
def poisoned(self, here, method, arguments):
    answer = work(self, here, method, arguments)
    if method == "train":
        answer["weights"] = [{changed} for w in answer["weights"]]
    return answer
FlareSite._work = poisoned
"""


def settings(toy: TrainConfig, rounds: int) -> TrainConfig:
    federation = replace(toy.federation, heartbeat_timeout_s=5.0)
    return replace(
        toy,
        federation=federation,
        training=replace(toy.training, rounds=rounds),
        data=replace(toy.data, centres=SITES),
    )


def same_as_in_process(config: TrainConfig, out: Path, here: Path) -> None:
    """Every federated and local model, bit for bit, and no round lost or counted twice."""
    train.run(config, here)
    names = {p.name for p in (out / MODELS).iterdir()}
    expected = {p.name for p in (here / MODELS).iterdir() if not p.name.startswith("pooled")}
    assert names == expected
    for name in names:
        one, other = (load_checkpoint(folder / MODELS / name) for folder in (out, here))
        assert one is not None
        assert other is not None
        assert one.finished
        rounds = [(row["round"], row["site"]) for row in one.history]
        assert rounds == [(row["round"], row["site"]) for row in other.history]
        for a, b in zip(one.state.weights, other.state.weights, strict=True):
            assert np.array_equal(a, b), name


def test_two_hospitals(hospitals: Hospitals, toy: TrainConfig, tmp_path: Path) -> None:
    config = settings(toy, 3)
    hospitals.start("server", *SITES)
    submitted = hospitals.submit(config, tmp_path / "run")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")
    watched = (hospitals.root / "server.out").read_text()
    assert "federated.seed-0.all, round 3: loss a 0." in watched
    (at_server,) = (hospitals.kit("server") / "flame-runs").iterdir()
    assert set(monitor.run(at_server).history.site) == {"a", "b"}
    sent = (hospitals.kit("a") / "sent.log").read_text()
    assert "weights after round 3 of federated.seed-0.all, learned from 24 patients" in sent
    assert "sums over patients in reply to 'moments' (6 numbers, 0.0 kB)" in sent
    told = [
        *tmp_path.glob("run/**/*"),
        *hospitals.kit("server").rglob("*"),
        *hospitals.kit("admin").rglob("*"),
    ]
    for path in told:  # no name of a patient, nor where one lies
        if path.is_file():
            content = path.read_bytes()
            assert PERSON.encode() not in content, path
            assert b"patients.csv" not in content, path


@pytest.mark.slow
def test_large_messages_arrive_in_pieces(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    """As a model of 500 MB does; here every array is large."""
    config = settings(toy, 3)
    hospitals.start("server", *SITES, changed=SMALL_PIECES)
    submitted = hospitals.submit(config, tmp_path / "run")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    same_as_in_process(config, tmp_path / "run", tmp_path / "here")


def as_peers(config: TrainConfig, hospitals: Hospitals) -> TrainConfig:
    for name in SITES:
        policy = hospitals.kit(name) / "local" / "policy.toml"
        policy.write_text(policy.read_text().replace("peers = false", "peers = true"))
    federation = replace(config.federation, strategy="gossip")
    return replace(config, federation=federation, gossip=GossipConfig(topology="line"))


@pytest.mark.slow
def test_peer_to_peer_the_server_passes_on_what_it_cannot_read(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    config = as_peers(settings(toy, 3), hospitals)
    frames = tmp_path / "frames"
    hospitals.start("server", changed=SPY.format(frames=frames))
    hospitals.start(*SITES, changed=KEEPS)
    submitted = hospitals.submit(config, tmp_path / "run")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    assert not list((tmp_path / "run").rglob("*.npz"))
    assert not list(hospitals.kit("server").rglob("*.npz"))
    train.run(config, tmp_path / "here")
    passed, sent = frames.read_bytes(), 0
    assert b"peer_state" in passed  # what is asked by the server is plain
    for name in SITES:
        (own,) = (hospitals.kit(name) / "flame-runs").iterdir()
        for training in flare_plan(config, alone=True):
            if name in training.centres:
                one, other = (finished(run, training.name) for run in (own, tmp_path / "here"))
                pairs = zip(one.state.weights, other.state.weights, strict=True)
                assert all(np.array_equal(a, b) for a, b in pairs)
        assert (own / "networks" / "federated.seed-0.all.keras").exists()
        assert set(monitor.run(own).history.site) >= {name}
        told = (hospitals.kit(name) / "sent.log").read_text()
        assert "weights after round 3 of federated.seed-0.all, learned from" in told
        for path in (own / "copied").glob("*.pickle"):
            topic, to, items = pickle.loads(path.read_bytes())
            if topic.startswith("federated") and to:
                sent += 1
                assert items[name]["weights"][0].tobytes() not in passed
    assert sent


@pytest.mark.slow
def test_a_peer_that_dies_is_missed_once_and_goes_on_when_it_is_back(
    hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
) -> None:
    config = as_peers(settings(toy, 60), hospitals)
    hospitals.start("server", *SITES)
    submitted = hospitals.submit(config, tmp_path / "run")
    until(lambda: hospitals.rounds("a") >= 20)
    hospitals.kill("b")
    until(lambda: "site b was lost" in hospitals.said())
    hospitals.start("b")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    for name in SITES:
        (own,) = (hospitals.kit(name) / "flame-runs").iterdir()
        for training in flare_plan(config, alone=True):
            if name in training.centres:
                assert finished(own, training.name).round == 60
    history = monitor.run(next((hospitals.kit("a") / "flame-runs").iterdir())).history
    assert (history[history.site == "b"].lost == "was silent").any()


@pytest.mark.slow
class TestFaults:
    def run(self, hospitals: Hospitals, config: TrainConfig, out: Path, fault) -> None:  # type: ignore[no-untyped-def]
        """Start, let ``fault`` happen in the middle of training, and wait for the end."""
        hospitals.start("server", *SITES)
        submitted = hospitals.submit(config, out)
        until(lambda: hospitals.rounds() >= 8)
        fault()
        assert submitted.wait(LONGEST_S) == 0, hospitals.said()
        same_as_in_process(config, out, out.parent / "here")

    def test_the_process_of_a_job_dies_at_one_site(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        self.run(
            hospitals,
            settings(toy, 12),
            tmp_path / "run",
            lambda: hospitals.job_process("b").kill(),
        )
        assert WENT_ON.search(" ".join(hospitals.said().split()))

    def test_a_site_dies_with_its_answer_ready(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        died = tmp_path / "died"
        hospitals.start("server", "a")
        hospitals.start("b", changed=DIES_SENDING.format(died=died))
        submitted = hospitals.submit(settings(toy, 6), tmp_path / "run")
        assert submitted.wait(LONGEST_S) == 0, hospitals.said()
        assert died.exists()
        assert WENT_ON.search(" ".join(hospitals.said().split()))
        same_as_in_process(settings(toy, 6), tmp_path / "run", tmp_path / "here")

    def test_a_site_dies_while_its_answer_is_downloaded(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        """FLARE alone waits 600 s four times; the others go on, and the site comes back."""
        config = settings(toy, 60)
        config = replace(config, federation=replace(config.federation, min_available_sites=1))
        stuck = tmp_path / "stuck"
        hospitals.start("server", "a")
        hospitals.start("b", changed=STUCK_SENDING.format(stuck=stuck))
        submitted = hospitals.submit(config, tmp_path / "run")
        until(stuck.exists)
        halted = hospitals.rounds()
        hospitals.kill("b")
        until(lambda: hospitals.rounds() > halted, 40)
        stuck.with_suffix(".over").touch()
        hospitals.start("b")
        assert submitted.wait(LONGEST_S) == 0, hospitals.said()
        assert "going on from the last round" in " ".join(hospitals.said().split())
        found = finished(tmp_path / "run", "federated.seed-0.all")
        lost = [row for row in found.history if row["lost"]]
        assert lost[0]["round"] == 4
        assert found.history[-1]["round"] == 60
        assert not found.history[-1]["lost"]

    def test_a_site_dies_and_comes_back(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        def fault() -> None:
            hospitals.kill("b")
            until(lambda: "waiting for b" in hospitals.said())
            hospitals.start("b")

        self.run(hospitals, settings(toy, 12), tmp_path / "run", fault)

    def test_the_server_dies_and_comes_back(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        def fault() -> None:
            hospitals.kill("server")
            hospitals.start("server")

        self.run(hospitals, settings(toy, 12), tmp_path / "run", fault)
        assert "the server was lost" in hospitals.said()

    def test_the_network_is_cut_for_a_while(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        cable = Cable(hospitals.port)
        path = hospitals.kit("b") / "startup" / "fed_client.json"
        known = json.loads(path.read_text())
        known["servers"][0]["service"]["target"] = f"localhost:{cable.port}"
        path.write_text(json.dumps(known))

        def fault() -> None:
            cable.cut()
            before = hospitals.rounds()
            outage(8)
            assert hospitals.rounds() <= before + 1
            cable.mend()

        config = settings(toy, 12)
        config = replace(config, federation=replace(config.federation, heartbeat_timeout_s=40.0))
        try:
            self.run(hospitals, config, tmp_path / "run", fault)
        finally:
            cable.close()
        assert "going on" not in hospitals.said()  # the same job rode it out

    def test_a_site_that_halts_for_a_while(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        def fault() -> None:
            process = hospitals.job_process("b")
            process.suspend()
            outage(8)
            process.resume()

        config = settings(toy, 12)
        config = replace(config, federation=replace(config.federation, heartbeat_timeout_s=40.0))
        self.run(hospitals, config, tmp_path / "run", fault)
        assert "going on" not in hospitals.said()

    def test_the_others_go_on_without_a_site_that_is_gone(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        config = settings(toy, 300)
        federation = replace(config.federation, min_available_sites=1, heartbeat_timeout_s=10.0)
        config = replace(config, federation=federation)
        hospitals.start("server", *SITES)
        submitted = hospitals.submit(config, tmp_path / "run")
        until(lambda: hospitals.rounds() >= 8)
        hospitals.kill("b")
        before = hospitals.rounds()
        until(lambda: hospitals.rounds() >= before + 10)
        submitted.kill()
        (first, *_) = (hospitals.kit("server") / "flame-runs").glob("*/models/federated.*all.npz")
        found = load_checkpoint(first)
        assert found is not None
        lost = [row for row in found.history if row["lost"]]
        assert {row["site"] for row in lost} == {"b"}
        assert lost[0]["lost"] == "was silent for 10 s"
        both = [row["round"] for row in found.history if row["site"] == "a"]
        assert both == list(range(1, len(both) + 1))

    def test_a_full_disk_at_a_site_sends_nothing(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        (hospitals.kit("b") / "sent.log").symlink_to("/dev/full")
        hospitals.start("server", *SITES)
        submitted = hospitals.submit(settings(toy, 3), tmp_path / "run")
        assert submitted.wait(LONGEST_S) == 1
        assert "going on" not in hospitals.said()  # another job would end alike
        assert "site b cannot write its audit log, so it sends nothing" in hospitals.said()

    def test_a_full_disk_at_the_server(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        full = tmp_path / "full"
        hospitals.start("server", changed=FULL_DISK.format(full=str(full)))
        hospitals.start(*SITES)
        submitted = hospitals.submit(settings(toy, 12), tmp_path / "run")
        until(lambda: hospitals.rounds() >= 8)
        full.touch()
        until(lambda: "failed (No space left on device); going on" in hospitals.said())
        full.unlink()
        assert submitted.wait(LONGEST_S) == 0, hospitals.said()
        same_as_in_process(settings(toy, 12), tmp_path / "run", tmp_path / "here")

    def test_another_version_is_refused(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        hospitals.start("server", "a")
        hospitals.start("b", changed=OLDER)
        submitted = hospitals.submit(settings(toy, 3), tmp_path / "run")
        assert submitted.wait(LONGEST_S) == 1
        assert "site b runs FLAME 0.0.1, not" in hospitals.said()
        assert "going on" not in hospitals.said()

    @pytest.mark.parametrize(
        ("changed", "why"),
        [("w * float('nan')", "or a loss"), ("w[..., None]", "of another shape")],
    )
    def test_a_site_that_sends_no_update_is_left_out(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path, changed: str, why: str
    ) -> None:
        config = settings(toy, 3)
        config = replace(config, federation=replace(config.federation, min_available_sites=1))
        hospitals.start("server", "a")
        hospitals.start("b", changed=SENDS.format(changed=changed))
        assert hospitals.submit(config, tmp_path / "run").wait(LONGEST_S) == 1
        # The training without a has nobody to go on with: it ends the run, in words.
        told = f"round 1 of federated-without-a.seed-0.all: site b sent weights {why}"
        assert told in hospitals.said()
        found = finished(tmp_path / "run", "federated.seed-0.all")
        lost = {(row["round"], row["site"]) for row in found.history if row["lost"]}
        assert lost == {(number, "b") for number in (1, 2, 3)}
        assert all(np.isfinite(w).all() for w in found.state.weights)

    def test_a_poisoned_update_moves_the_model_by_its_limit_at_most(
        self, hospitals: Hospitals, toy: TrainConfig, tmp_path: Path
    ) -> None:
        config = settings(toy, 3)
        limited = replace(config.federation, strategy="centred-clipping", options={"radius": 0.1})
        config = replace(config, federation=limited)
        hospitals.start("server", "a")
        hospitals.start("b", changed=SENDS.format(changed="w * 1e6"))
        assert hospitals.submit(config, tmp_path / "run").wait(LONGEST_S) == 0, hospitals.said()
        found = finished(tmp_path / "run", "federated.seed-0.all").state.weights
        start = open_task(config).initial_weights(
            open_task(config).patients(load_cohort(replace(config, data=toy.data), "a")), 0
        )
        moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(found, start, strict=True)))
        # Three rounds of three steps, each of at most the radius; FedAvg would move by about 1e6.
        assert 0 < moved <= 3 * 3 * 0.1

    def test_nobody_enters_without_a_certificate(self, hospitals: Hospitals) -> None:
        hospitals.start("server")
        until(lambda: "the server is up" in (hospitals.root / "server.out").read_text())
        context = ssl.create_default_context(cafile=hospitals.kit("a") / "startup" / "rootCA.pem")
        context.set_alpn_protocols(["h2"])

        def talked(kit: Path | None) -> bool:
            if kit:
                context.load_cert_chain(kit / "startup/client.crt", kit / "startup/client.key")
            with (
                socket.create_connection(("localhost", hospitals.port), timeout=10) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as secure,
            ):
                secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
                try:
                    return bool(secure.recv(64))
                except OSError:
                    return False

        assert not talked(None)
        assert talked(hospitals.kit("a"))


def outage(seconds: float) -> None:
    """What is tested lasts a while; nothing is waited for."""
    time.sleep(seconds)

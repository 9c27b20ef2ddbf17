"""A real federation of two hospitals on this machine: processes, folders, sockets, certificates."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

from flame.core.config import Section, as_toml
from flame.federation.checkpoint import load_checkpoint
from flame.federation.config import TrainConfig

FLAME = (sys.executable, "-m", "flame.cli")
SITES, PERSON = ("a", "b"), "person-of-"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(what: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.2)


class Hospitals:
    """Server, admin and a site for each of a and b, each with its own copy of its kit.

    The policies keep patients apart by default, as a run in process does, with which tests compare.
    """

    def __init__(
        self,
        root: Path,
        toy: TrainConfig,
        least_patients: int = 1,
        sites: tuple[str, ...] = SITES,
        hosts: tuple[str, ...] = (),
    ) -> None:
        self.root, self.config, self.sites = root, toy, sites
        self.port, admin = free_ports(2)
        (root / "project.toml").write_text(
            f'name = "toy"\nhost = "localhost"\nsites = {list(sites)}\nport = {self.port}\n'
            f"admin_port = {admin}\nhosts = {list(hosts)}\n"
        )
        command = [*FLAME, "provision", str(root / "project.toml"), "--out", str(root / "kits")]
        subprocess.run(command, check=True, capture_output=True)
        table = pd.read_csv(toy.data.table)
        table["patient_id"] = PERSON + table.patient_id
        table.to_csv(toy.data.table, index=False)
        for name in sites:
            (root / name).mkdir()
            self._hand_over(name)
            policy = root / name / "kit" / "local" / "policy.toml"
            least = f"least_patients = {least_patients}"
            policy.write_text(policy.read_text().replace("least_patients = 5", least))
            table[table.centre == name].to_csv(root / name / "patients.csv", index=False)
        self.data = {name: root / name / "patients.csv" for name in sites}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.submitted: list[subprocess.Popen[bytes]] = []

    def _hand_over(self, name: str) -> None:
        """Give a site its kit; the last one makes its own key, and the admin signs."""
        kit, made = self.root / name / "kit", self.root / "kits"
        if name != self.sites[-1]:
            (made / name).rename(kit)
            return
        for command in (
            ["request", name, "--kit", str(kit)],
            ["sign", str(self.root / "project.toml"), str(kit / f"{name}.csr"), "--out", str(made)],
            ["accept", str(kit), str(made / name)],
        ):
            subprocess.run([*FLAME, *command], check=True, capture_output=True)

    def kit(self, name: str) -> Path:
        return self.root / name / "kit" if name in self.sites else self.root / "kits" / name

    def start(
        self,
        *names: str,
        changed: str = "",
        hosts: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        """Start them, each Python process with code that is ``changed`` by these lines first.

        They see the file ``hosts`` as ``/etc/hosts``, which needs the rights of root. Sites join
        with these ``options``.
        """
        environment = dict(os.environ)
        if changed:
            folder = self.root / f"changed-{'-'.join(names)}"
            folder.mkdir()
            (folder / "sitecustomize.py").write_text(changed)
            environment["PYTHONPATH"] = str(folder)
        for name in names:
            command = [*FLAME, "serve", str(self.kit(name))]
            if name in self.sites:
                data = str(self.data[name])
                command = [*FLAME, "join", str(self.kit(name)), "--data", data, *options]
            if hosts:
                seen = f'mount --bind {hosts} /etc/hosts && exec "$@"'
                command = ["unshare", "--mount", "sh", "-c", seen, "sh", *command]
            with (self.root / f"{name}.out").open("ab") as out:
                self.running[name] = subprocess.Popen(
                    command, stdout=out, stderr=out, env=environment
                )

    def kill(self, name: str) -> None:
        """As a power cut would: everything at once."""
        for process in self.family(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.running.pop(name).wait()

    def family(self, name: str) -> list[psutil.Process]:
        mine = str(self.kit(name))
        found = [psutil.Process(self.running[name].pid)]
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(mine in part for part in process.cmdline()):
                    found.append(process)
        return found

    def job_process(self, name: str) -> psutil.Process:
        """The process that works on the running job."""
        kind = "runner_process" if name == "server" else "worker_process"
        found = [p for p in self.family(name) if any(kind in part for part in p.cmdline())]
        return found[-1]

    def submit(self, config: Section, out: Path, *options: str) -> "subprocess.Popen[bytes]":
        written = self.root / f"config-{len(self.submitted)}.toml"
        written.write_text(as_toml(config))
        command = [
            *FLAME,
            "submit",
            str(written),
            "--kit",
            str(self.kit("admin")),
            "--out",
            str(out),
            *(options if "--patience" in options else (*options, "--patience", "600")),
        ]
        with (self.root / "submit.out").open("ab") as told:
            self.submitted.append(subprocess.Popen(command, stdout=told, stderr=told))
        return self.submitted[-1]

    def said(self) -> str:
        return (self.root / "submit.out").read_text()

    def rounds(self, name: str = "server") -> int:
        """Rounds that the server, or a peer, has on its disk."""
        found = (self.kit(name) / "flame-runs").glob("*/models/[!.]*.npz")
        return sum(c.round for p in found if (c := load_checkpoint(p)))

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)
        for process in self.submitted:
            process.kill()
            process.wait()


class Cable:
    """A TCP proxy that can be cut (connections are reset and new ones refused) or stalled."""

    def __init__(self, target: int, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.target, self.open, self.flows = target, threading.Event(), threading.Event()
        self.open.set()
        self.flows.set()
        self.pairs: list[socket.socket] = []
        self.listener = socket.create_server(address)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.open.clear()
        for each in self.pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.pairs.clear()

    def mend(self) -> None:
        self.open.set()

    def stall(self) -> None:
        self.flows.clear()

    def flow(self) -> None:
        self.flows.set()

    def close(self) -> None:
        self.flow()
        self.listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                assert self.open.is_set()
                far = socket.create_connection(("127.0.0.1", self.target))
            except (AssertionError, OSError):  # cut, or nobody is there yet
                near.close()
                continue
            self.pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(65536):
                self.flows.wait()
                other.sendall(chunk)
        one.close()
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

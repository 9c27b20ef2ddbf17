"""Large models between real kits: time and memory of a round, by size of the model.

    python benchmarks/federation_large.py [--megabytes 500 2000] [--sites 2] [--quick]

A server, some sites and their kits on this machine, made-up patients, a network of the given size,
SGD, two rounds. Memory is the peak of the process of the run, without files that are mapped into
memory, whose pages the kernel can drop at any time. At the server it is compared with that of a run
with a network of SMALL MB, at a site with the same training alone in one process, each as a
multiple of the size of the model. Alone is Keras without FLAME. Prints a table.
"""

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
from federation import made_up_table, settings
from peers.local_training import BATCH, FEATURES, made_up_patients
from result_line import add_quick, print_result_line

from flame.core.config import as_toml
from flame.core.processes import kill_tree
from flame.federation.checkpoint import load_history

ROUNDS = 2
SMALL = 0.03
"""Size in MB of the model whose memory is subtracted."""
FLAME = (sys.executable, "-m", "flame.cli")
BYTES_A_UNIT = 4 * (FEATURES + 2)


def private_mb(pid: int) -> float:
    """Return the memory of a process without the files that it maps, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.split("RssAnon:")[1].split()[0]) / 1e3


class Federation:
    """A server and sites on this machine; ``peak`` is the memory in MB of each one's run."""

    def __init__(self, root: Path, sites: int) -> None:
        self.root = root
        self.sites = [f"site-{n:03}" for n in range(1, sites + 1)]
        self.peak: dict[str, float] = dict.fromkeys(("server", *self.sites), 0.0)
        self.started: list[subprocess.Popen[bytes]] = []
        ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        port, admin = (each.getsockname()[1] for each in ports)
        for each in ports:
            each.close()
        (root / "project.toml").write_text(
            f'name = "large"\nhost = "localhost"\nsites = {self.sites}\n'
            f"port = {port}\nadmin_port = {admin}\n"
        )
        self.run("provision", str(root / "project.toml"), "--out", str(root / "kits"))
        made_up_table(root / "table.csv", len(self.sites))

    def run(self, *arguments: str) -> None:
        """Run a command of FLAME to its end."""
        done = subprocess.run([*FLAME, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)

    def kit(self, name: str) -> Path:
        """Return the kit of a party."""
        return self.root / "kits" / name

    def start(self) -> None:
        """Start everyone, and watch their memory from then on."""
        table = pd.read_csv(self.root / "table.csv")
        self._start("server", "serve", str(self.kit("server")))
        for site in self.sites:
            data = self.root / f"{site}.csv"
            table[table.centre == site].to_csv(data, index=False)
            self._start(site, "join", str(self.kit(site)), "--data", str(data))
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self, name: str, *arguments: str) -> None:
        with (self.root / f"{name}.txt").open("wb") as output:
            command = [*FLAME, *arguments]
            self.started.append(subprocess.Popen(command, stdout=output, stderr=output))

    def _watch(self) -> None:
        while True:
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError, IndexError):
                    words = " ".join(process.cmdline())
                    for name in self.peak:
                        kind = "runner_process" if name == "server" else "worker_process"
                        if kind in words and str(self.kit(name)) in words:
                            used = private_mb(process.pid)
                            self.peak[name] = max(self.peak[name], used)
            time.sleep(0.2)

    def train(self, hidden: int) -> dict[str, float]:
        """Begin to train a network of this width; return figures of the first training."""
        config = settings(self.root / "table.csv", hidden, ROUNDS)
        training = replace(config.training, optimizer="sgd", epochs=1)
        federation = replace(config.federation, timeout_s=3600.0)
        config = replace(config, training=training, federation=federation)
        written, out = self.root / "run.toml", self.root / "run"
        written.write_text(as_toml(config))
        self._start(
            "admin", "submit", str(written), "--kit", str(self.kit("admin")), "--out", str(out)
        )
        while len(history := self._history()) < ROUNDS * len(self.sites):
            if self.started[-1].poll() is not None:
                raise SystemExit((self.root / "admin.txt").read_text())
            time.sleep(1)
        rounds = pd.DataFrame(history).groupby("round")[["round_seconds", "seconds"]].max()
        return {
            "round s": rounds.round_seconds.iloc[-1],
            "training s": rounds.seconds.iloc[-1],
            "server MB": self.peak["server"],
            "site MB": max(self.peak[site] for site in self.sites),
        }

    def _history(self) -> list[dict[str, object]]:
        found = list(self.kit("server").glob("flame-runs/*/models/[!.]*.npz"))
        return load_history(found[0]) if found else []

    def stop(self) -> None:
        """Stop everyone."""
        for process in self.started:
            kill_tree(process.pid)


def measured(megabytes: float, sites: int) -> dict[str, float]:
    """Return the figures of a model of this size, in a federation of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Federation(Path(scratch), sites)
        try:
            made.start()
            return made.train(int(megabytes * 1e6 / BYTES_A_UNIT))
        finally:
            made.stop()


def train_alone(hidden: int) -> None:
    """Train the same network with Keras, without FLAME and without a federation."""
    from flame.core.keras_import import keras

    values, outcome = made_up_patients(1)
    wide = keras.layers.Dense(hidden, "relu", kernel_initializer="zeros")
    network = keras.Sequential([keras.Input((FEATURES,)), wide, keras.layers.Dense(1)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.01), loss, jit_compile=False)
    network.fit(values, outcome, BATCH, epochs=ROUNDS, verbose=0)


def peak_alone(megabytes: float) -> float:
    """Return the peak memory in MB of ``train_alone`` in a process of its own."""
    command = [sys.executable, __file__, "--alone", str(int(megabytes * 1e6 / BYTES_A_UNIT))]
    process = subprocess.Popen(command)
    peak = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            peak = max(peak, private_mb(process.pid))
        time.sleep(0.05)
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[500, 2000])
    parser.add_argument("--sites", type=int, default=2)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    add_quick(parser, "20 MB")
    arguments = parser.parse_args()
    if arguments.alone:
        train_alone(arguments.alone)
        return
    sizes = [20.0] if arguments.quick else arguments.megabytes
    rows = {}
    small = measured(SMALL, arguments.sites)
    for megabytes in sizes:
        figures = measured(megabytes, arguments.sites) | {"alone MB": peak_alone(megabytes)}
        bases = {"server": small["server MB"], "site": figures["alone MB"]}
        for party, base in bases.items():
            figures[f"{party}, times the model"] = (figures[f"{party} MB"] - base) / megabytes
        rows[f"{megabytes:g} MB"] = figures
    print(f"Made-up patients, {arguments.sites} sites and their server, through their kits")
    print(pd.DataFrame({f"{SMALL} MB": small, **rows}).T.round(2).to_string())
    print_result_line(__file__, arguments.quick, rows)


if __name__ == "__main__":
    main()

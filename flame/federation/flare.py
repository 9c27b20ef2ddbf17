"""The NVIDIA FLARE engine: one process a site, through the Collab API.

The same Coordinator and Site objects as in process; this file only carries their calls. Exception
texts of a site would reach the server, so a site logs its error and sends the kind alone.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
from nvflare.collab import collab
from nvflare.collab.recipe import CollabRecipe
from nvflare.recipe.sim_env import SimEnv

from flame.core.errors import FlameError
from flame.core.files import write_text
from flame.federation.config import TrainConfig, centres
from flame.federation.coordinator import Coordinator, Progress
from flame.federation.plan import FEDERATED, Federation, joint_trainings
from flame.federation.task import open_task

PROGRESS_FILE, ERROR_FILE, LOG_FILE = "progress.json", "flare-error.txt", "flare.log"


def flare_plan(config: TrainConfig) -> list[Federation]:
    """The trainings that need the federation: all centres, and all but each one."""
    training = config.training
    if config.task == "statistics":
        return [Federation(FEDERATED, centres(config.data), 0, 2)]
    return joint_trainings(FEDERATED, centres(config.data), training.seeds, training.folds)


class FlareServer:
    """FLARE's server object: runs the coordinator over Collab calls."""

    def __init__(self, config: str, run_folder: str) -> None:
        self.config, self.run_folder = config, run_folder

    @collab.main
    def main(self) -> None:
        """Train the plan; a failure is written where the command that waits finds it."""
        run, config = Path(self.run_folder), TrainConfig.from_json(self.config)
        timeout = config.federation.timeout_s

        def start(sites: Iterable[str], method: str, arguments: dict[str, Any]) -> Any:
            group = collab.get_clients(list(sites))(blocking=False, timeout=timeout)
            return getattr(group, method)(**arguments)

        def call(
            method: str,
            sites: tuple[str, ...],
            each: Mapping[str, dict[str, Any]] | None = None,
            **arguments: Any,
        ) -> dict[str, Any]:
            if each is None:
                parts = [start(sites, method, arguments)]
            else:  # what one site is given must not reach another: a call for each, side by side
                parts = [start([s], method, {**arguments, **each[s]}) for s in sites]
            answers = {name: value for part in parts for name, value in dict(part).items()}
            lost = {n: str(e.cause_type) for part in parts for n, e in part.failures.items()}
            if lost:
                raise FlameError(
                    f"{', '.join(f'{n} ({why})' for n, why in lost.items())} did not finish "
                    f"'{method}'; see {LOG_FILE}, then run the same command again to go on"
                )
            return answers

        def progress(done: int, total: int) -> None:
            write_text(run / PROGRESS_FILE, json.dumps([done, total]))

        try:
            coordinator = Coordinator(config, open_task(config), run, flare_plan(config), progress)
            coordinator.run(call, lambda f: f.centres)
        except FlameError as error:
            write_text(run / ERROR_FILE, str(error))
            raise
        except Exception as error:
            write_text(run / ERROR_FILE, f"the server failed ({type(error).__name__})")
            raise


class FlareSite:
    """FLARE's client object: a Site behind a lock, its data read at the first call."""

    def __init__(self, config: str) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._site: Any = None

    def _answer(self, method: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            try:
                if self._site is None:
                    self._site = open_site(TrainConfig.from_json(self.config), collab.site_name)
                answer: dict[str, Any] = getattr(self._site, method)(**arguments)
            except Exception as error:
                # Where it happened, not what it says: its text may hold a patient's data.
                kind, where = type(error).__name__, traceback.format_tb(error.__traceback__)
                logging.getLogger(__name__).error("%s: %s at\n%s", method, kind, "".join(where))
                raise RuntimeError(kind) from None
        return answer

    @collab.publish
    def describe(self) -> dict[str, Any]:
        """See Site.describe."""
        return self._answer("describe")

    @collab.publish
    def initial_weights(self, seed: int) -> dict[str, Any]:
        """See Site.initial_weights."""
        return self._answer("initial_weights", seed=seed)

    @collab.publish
    def answer(
        self, question: str, given: dict[str, Any], weights: list[Any], shared: dict[str, Any],
        calibrating: bool, who: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        """See Site.answer."""
        return self._answer(
            "answer", question=question, given=given, weights=weights, shared=shared,
            calibrating=calibrating, who=who,
        )  # fmt: skip

    @collab.publish
    def train(
        self, name: str, number: int, weights: list[Any], shared: dict[str, Any],
        who: dict[str, Any], corrections: list[dict[str, Any]],
    ) -> dict[str, Any]:  # fmt: skip
        """See Site.train."""
        return self._answer(
            "train", name=name, number=number, weights=weights, shared=shared, who=who,
            corrections=corrections,
        )  # fmt: skip


def open_site(config: TrainConfig, centre: str) -> Any:
    """Return the Site of one centre with its data read."""
    from flame.federation.data import load_cohort
    from flame.federation.site import Site

    task = open_task(config)
    patients = task.patients(load_cohort(config, centre))
    return Site(task, [patients], config.privacy.least_patients)


def train_on_flare(config: TrainConfig, run: Path, progress: Progress) -> None:
    """Run the federation in FLARE's simulator, a process a site, and wait for it.

    Raises FlameError with the coordinator's reason, or the log's place, where it fails.
    """
    for stale in (PROGRESS_FILE, ERROR_FILE):
        (run / stale).unlink(missing_ok=True)
    command = [sys.executable, "-m", "flame.federation.flare", str(run.resolve())]
    with (
        (run / LOG_FILE).open("ab") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, text=True,
            env=_shared_cores(len(centres(config.data))),
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdin is not None
            print(config.to_json(), file=process.stdin, flush=True)
            while process.poll() is None:
                time.sleep(0.2)
                _report(run, progress)
        finally:
            _kill_tree(process.pid)
    _report(run, progress)
    if (run / ERROR_FILE).exists():
        raise FlameError((run / ERROR_FILE).read_text())
    if process.returncode != 0:
        raise FlameError(f"NVIDIA FLARE ended with code {process.returncode}; see {run / LOG_FILE}")


def _shared_cores(sites: int) -> dict[str, str]:
    """Environment in which sites share the cores: numba's idle threads spin, and slow others."""
    threads = max(1, (os.cpu_count() or 1) // sites)
    return {"NUMBA_NUM_THREADS": str(threads)} | os.environ


def _report(run: Path, progress: Progress) -> None:
    path = run / PROGRESS_FILE
    if path.exists():
        progress(*json.loads(path.read_text()))


def _kill_tree(pid: int) -> None:
    """Kill a process and all its descendants; FLARE puts its sites in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for child in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def _die_with_parent() -> None:
    """Kill this process tree when standard input closes: the command that waits is gone.

    Sites that lived on would train beside those of the resumed run.
    """
    sys.stdin.read()
    _kill_tree(os.getpid())


def _simulate(run: Path, config: str) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    names = list(centres(TrainConfig.from_json(config).data))
    recipe = CollabRecipe(
        job_name="flame",
        server=FlareServer(config, str(run)),
        client=FlareSite(config),
        min_clients=len(names),
        sync_task_timeout=300,
    )
    recipe.execute(SimEnv(clients=names, workspace_root=str(run / "flare")))


if __name__ == "__main__":
    _simulate(Path(sys.argv[1]), sys.stdin.readline())

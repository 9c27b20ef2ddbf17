"""FLARE's simulator: a federation on this machine, one process per site."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from nvflare.recipe.sim_env import SimEnv

from flame.core.errors import FlameError
from flame.core.processes import kill_tree
from flame.core.progress import Progress
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.job import job_of
from flame.federation.loopback import check_loopback
from flame.federation.run_files import ERROR, FLARE_LOG, PROGRESS

_START_S = 300
"""Time in s in which the processes of all sites must have started."""


def train_on_flare(config: TrainConfig, run: Path, progress: Progress) -> None:
    """Run all trainings in FLARE's simulator and wait for its end.

    Args:
        config: the configuration of the run.
        run: the run folder.
        progress: called with the steps done and the total.

    Raises:
        FlameError: localhost is unknown, or the coordinator or the simulator failed; the message
            has the reason, if it is known, and names the log.
    """
    job = {"kind": "", "config": config.to_json(), "names": list(centres(config.data))}
    _run_simulator(job, run, progress)


def run_nodes_on_flare(
    kind: str, config: str, names: tuple[str, ...], run: Path, progress: Progress
) -> None:
    """Run a program with a node for each name in FLARE's simulator, and wait for its end.

    Args:
        kind: kind of the program; see ``running_program.PROGRAMS``.
        config: its configuration as JSON.
        names: names of the nodes.
        run: the run folder.
        progress: called with the steps done and the total.

    Raises:
        FlameError: as ``train_on_flare``.
    """
    _run_simulator({"kind": kind, "config": config, "names": list(names)}, run, progress)


def _run_simulator(job: dict[str, Any], run: Path, progress: Progress) -> None:
    check_loopback()
    for stale in (PROGRESS, ERROR):
        (run / stale).unlink(missing_ok=True)
    code = _simulated(job, run, progress)
    if code != 0 and not (run / PROGRESS).exists() and not (run / ERROR).exists():
        # On a busy machine the port that FLARE chose may be taken before FLARE opens it.
        code = _simulated(job, run, progress)
    if (run / ERROR).exists():
        reason = json.loads((run / ERROR).read_text())["why"]
        raise FlameError(f"{reason} (see {FLARE_LOG}; run the same command again to continue)")
    if code != 0:
        raise FlameError(f"NVIDIA FLARE ended with code {code}; see {run / FLARE_LOG}")


def _simulated(job: dict[str, Any], run: Path, progress: Progress) -> int:
    """Run the simulator once and return its exit code."""
    command = [sys.executable, "-m", "flame.federation.flare.simulator", str(run.resolve())]
    with (
        (run / FLARE_LOG).open("ab") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(len(job["names"])),
        ) as process,
    ):
        try:
            assert process.stdin is not None
            print(json.dumps(job), file=process.stdin, flush=True)
            while process.poll() is None:
                time.sleep(0.2)
                _report(run, progress)
        finally:
            kill_tree(process.pid)
    _report(run, progress)
    return int(process.returncode)


def _environment(sites: int) -> dict[str, str]:
    """Return an environment in which sites share the cores: idle threads of numba slow other sites.

    The sites import this installation of FLAME. FLARE copies two of its files to each site, and an
    editable install would come after them in the search path.
    """
    threads = max(1, (os.cpu_count() or 1) // sites)
    folders = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
    return {"NUMBA_NUM_THREADS": str(threads)} | os.environ | path


def _report(run: Path, progress: Progress) -> None:
    path = run / PROGRESS
    if path.exists():
        progress(*json.loads(path.read_text()))


def _die_with_parent() -> None:
    """Kill this process tree once standard input closes, which means that the command has ended.

    Sites that survived would train at the same time as those of the resumed run.
    """
    sys.stdin.read()
    kill_tree(os.getpid())


def _simulate(run: Path, job: dict[str, Any]) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if job["kind"]:
        from flame.federation.flare.job import job_of_nodes

        names = tuple(job["names"])
        recipe = job_of_nodes(job["kind"], job["config"], names, "flame", str(run), _START_S)
    else:
        recipe = job_of(TrainConfig.from_json(job["config"]), "flame", str(run), _START_S)
    recipe.execute(SimEnv(clients=job["names"], workspace_root=str(run / "flare")))


if __name__ == "__main__":
    _simulate(Path(sys.argv[1]), json.loads(sys.stdin.readline()))

"""FLARE's server object: runs the coordinator and reports its progress."""

import contextlib
import json
import shutil
from collections import deque
from pathlib import Path
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import RunAborted

from flame.core.errors import BadInput, FlameError
from flame.core.files import write_text
from flame.federation.config import TrainConfig, centres
from flame.federation.coordinator import Coordinator
from flame.federation.cross_site import cross_site
from flame.federation.flare.calls import Calls
from flame.federation.flare.peer_watch import watch_peers
from flame.federation.flare.trainings import flare_plan
from flame.federation.gossip.method import GOSSIP
from flame.federation.history import in_a_line
from flame.federation.run_files import (
    CONFIG,
    CROSS_SITE,
    ERROR,
    MODELS,
    PROGRESS,
    RESULTS,
    ROUNDS,
    config_text,
    folder_of_run,
    is_kit,
)
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import Training

RESULT = "flame"
"""Folder of the results in a job."""
PROGRESS_COMMAND = "flame.progress"
"""Name of FLARE's command with which the admin queries the state of the run."""
_REMEMBERED = 400
"""Number of latest rows of the history in this state, for an admin who was disconnected."""


class FlareServer:
    """Runs the coordinator at the server.

    In a real federation rounds are kept in the server's kit: a later job of the same name continues
    from them.

    Args:
        config: the configuration of the run, as JSON.
        run_folder: absolute path of the run folder in a simulation; in a real federation the name
            of a folder in the server's kit.
    """

    def __init__(self, config: str, run_folder: str) -> None:
        self.config = config
        self.run_folder = run_folder

    @collab.main
    def main(self) -> None:
        """Run the trainings; on failure write the reason into the run folder.

        Raises:
            FlameError: the run failed.
        """
        config = TrainConfig.from_json(self.config)
        kit = Path(collab.workspace.get_root_dir())
        provisioned = is_kit(kit)
        run = folder_of_run(kit, self.run_folder) if provisioned else Path(self.run_folder)
        (run / ERROR).unlink(missing_ok=True)
        state: dict[str, Any] = {"done": 0, "total": 1, "latest": [], "silent": []}
        rows: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)

        def progress(done: int, total: int) -> None:
            rows.extend(coordinator.latest if coordinator else [])
            silent = sorted(calls.silent) if calls else []
            state.update(done=done, total=total, latest=list(rows), silent=silent)
            write_text(run / PROGRESS, json.dumps([done, total]))
            if provisioned and coordinator and coordinator.latest:
                _show(coordinator.latest)

        collab.fl_ctx.get_engine().register_app_command(PROGRESS_COMMAND, lambda *_: state)
        job = Path(collab.workspace.get_run_dir(collab.fl_ctx.get_job_id()))
        calls: Calls | None = None
        coordinator: Coordinator | None = None
        try:
            if provisioned:
                write_text(run / CONFIG, config_text(config))
            calls = Calls(
                centres(config.data),
                config.federation.timeout_s,
                config.federation.heartbeat_timeout_s,
                kit,
                (lambda text: _say(text, kit)) if provisioned else (lambda text: None),
            )
            if config.federation.strategy == GOSSIP:
                watch_peers(calls, self.run_folder, progress)
                return
            plan = flare_plan(config, alone=provisioned)
            coordinator = Coordinator(config, open_task(config), run, plan, progress)
            coordinator.run(calls, lambda training: training.centres)
            if provisioned:
                self._evaluate(config, run, plan, calls, state)
        except Exception as error:
            final = isinstance(error, BadInput)
            final = final or (isinstance(error, FlameError) and bool(calls and calls.refused))
            write_failure(run, error, final)
            raise
        finally:
            if provisioned:
                hand_over(run, job / RESULT)

    def _evaluate(
        self,
        config: TrainConfig,
        run: Path,
        plan: list[Training],
        calls: Calls,
        state: dict[str, Any],
    ) -> None:
        def progress(done: int, total: int) -> None:
            state.update(evaluated=done, to_evaluate=total)

        table = cross_site(config, run, plan, calls, centres(config.data), progress)
        write_text(run / CROSS_SITE, table.to_csv(index=False))


def _show(rows: list[dict[str, Any]]) -> None:
    """Append a line about the latest round to the log that ``flame serve`` prints."""
    _say(in_a_line(rows), Path(collab.workspace.get_root_dir()))


def _say(text: str, kit: Path) -> None:
    """Append a line to the log that ``flame serve`` prints."""
    with (kit / ROUNDS).open("a", encoding="utf-8") as file:
        print(text, file=file)


def write_failure(run: Path, error: Exception, final: bool) -> None:
    """Write why a run failed.

    Args:
        run: the run folder.
        error: the error, of which only those of FLAME are told as they are.
        final: whether a new job would fail in the same way.
    """
    if isinstance(error, FlameError):
        why = str(error)
    elif isinstance(error, RunAborted):
        why = "NVIDIA FLARE ended the job, as it does when the process of a site dies"
    else:
        why = f"the server failed ({getattr(error, 'strerror', None) or type(error).__name__})"
    with contextlib.suppress(OSError):  # the disk may be full
        write_text(run / ERROR, json.dumps({"why": why, "final": final}))


def hand_over(run: Path, result: Path) -> None:
    """Copy checkpoints, and results or tables of sites so far, to the folder for the admin.

    Args:
        run: the run folder at the server.
        result: folder of the job's results.
    """
    for folder in (MODELS, RESULTS):
        if (run / folder).is_dir():
            ignored = shutil.ignore_patterns(".*")
            shutil.copytree(run / folder, result / folder, ignore=ignored)
    result.mkdir(parents=True, exist_ok=True)
    for name in (ERROR, CROSS_SITE):
        if (run / name).exists():
            shutil.copy(run / name, result)

"""The admin of a real federation: submits a run, follows it and resumes it after faults."""

import contextlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvflare.collab.recipe import CollabRecipe
from nvflare.fuel.flare_api.api_spec import (
    CommandError,
    InternalError,
    JobNotFound,
    NoReply,
    SessionClosed,
)
from nvflare.fuel.flare_api.flare_api import new_secure_session

from flame.core.errors import FlameError
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.job import job_of, job_of_nodes
from flame.federation.flare.kit import ADMIN
from flame.federation.flare.server import PROGRESS_COMMAND, RESULT
from flame.federation.run_files import CROSS_SITE, ERROR, MODELS, RESULTS

Say = Callable[[str], None]
"""Shows a message in words."""
RunState = dict[str, Any]
"""State of a run as the server reports it, by name."""
_DONE = "FINISHED:COMPLETED"
"""FLARE's status of a job that succeeded."""
_RUNNING = ("SUBMITTED", "APPROVED", "DISPATCHED", "RUNNING")
"""Beginnings of FLARE's status of a job that has not ended."""
_LOST = (OSError, SessionClosed, InternalError, NoReply, JobNotFound, CommandError)
"""Errors with which FLARE's session ends if the server ends."""
_LOGIN_S = 20.0
"""Time-out of a login in s."""
_START_S = 120
"""Time in s in which the processes of all sites must have started."""
_OVERDUE_S = 16.0
"""Age in s from which a heartbeat is overdue; FLARE's sites send one every 10 s."""
_TRIES = 2
"""Number of jobs in a row without progress after which a run fails."""


@dataclass(frozen=True)
class Submission:
    """What an admin submits.

    Args:
        name: name of the run at the server.
        sites: names of the sites that take part.
        recipe: makes FLARE's recipe of a job.
        least: number of sites with which a job may begin; 0: all.
    """

    name: str
    sites: tuple[str, ...]
    recipe: Callable[[], CollabRecipe]
    least: int = 0

    @staticmethod
    def of_training(config: TrainConfig, name: str) -> "Submission":
        """Describe a run of trainings.

        Args:
            config: the configuration of the run.
            name: name of the run at the server.

        Returns:
            The submission.
        """
        return Submission(name, centres(config.data), lambda: job_of(config, name, name, _START_S))

    @staticmethod
    def of_nodes(
        kind: str, config: str, sites: tuple[str, ...], name: str, least: int
    ) -> "Submission":
        """Describe a run of programs that talk to each other.

        Args:
            kind: kind of the programs.
            config: their configuration as JSON.
            sites: names of the sites.
            name: name of the run at the server.
            least: number of sites with which a job may begin; 0: all.

        Returns:
            The submission.
        """
        return Submission(
            name, sites, lambda: job_of_nodes(kind, config, sites, name, name, _START_S), least
        )


@dataclass(frozen=True)
class AdminSession:
    """Access of an admin to a federation.

    Args:
        kit: folder of the admin's start-up kit.
        patience_s: longest time to wait for a server or sites that are not reachable, in s.
    """

    kit: Path
    patience_s: float = 600.0

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Open a session with the server, and close it in the end.

        Yields:
            FLARE's session.

        Raises:
            FlameError: the server is not reachable within ``patience_s``.
        """
        admin = json.loads((self.kit / "startup" / ADMIN).read_text())["admin"]
        end = time.monotonic() + self.patience_s
        while True:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    session = new_secure_session(admin["username"], str(self.kit), timeout=_LOGIN_S)
                break
            except Exception as error:
                if time.monotonic() > end:
                    address = f"{admin['host']}:{admin['port']}"
                    raise FlameError(
                        f"no session with the server at {address} ({type(error).__name__}): check "
                        "that flame serve is running there and that this port can be reached"
                    ) from None
                time.sleep(2)
        try:
            yield session
        finally:
            with contextlib.suppress(Exception):
                session.close()

    def sites(self) -> tuple[str, ...]:
        """Return the connected sites, in order of name."""
        with self.session() as session:
            return _connected(session)

    def revoke(self, site: str, undo: bool = False) -> bool:
        """Keep a site out of the federation at once, through restarts of the server.

        Running jobs end, as their processes at the site have the models of the run.

        Args:
            site: name of the site.
            undo: whether the site is let in again.

        Returns:
            Whether the site was connected.
        """
        with self.session() as session:
            if undo:
                session.enable_client(site)
                return False
            was_there = site in _connected(session)
            session.disable_client(site)
            for job in session.list_jobs(reverse=True, limit=10):
                if job["status"].startswith(_RUNNING):
                    session.abort_job(job["job_id"])
        return was_there

    def jobs(self) -> list[dict[str, str]]:
        """Return the ten newest jobs of the server.

        Returns:
            ``job`` (its id), ``name``, ``status`` and ``submitted`` (a time) of each job, newest
            first.
        """
        with self.session() as session:
            jobs = session.list_jobs(reverse=True, limit=10)
        return [
            {
                "job": job["job_id"],
                "name": job["job_name"],
                "status": job["status"],
                "submitted": job["submit_time"],
            }
            for job in jobs
        ]

    def run(
        self, submission: Submission, out: Path, show: Callable[[RunState], None], say: Say
    ) -> None:
        """Submit a run, follow it to its end and fetch its models.

        If a job ends early, a new one continues from the last finished round once all sites are
        connected. After two jobs in a row without a further round, the run fails.

        Args:
            submission: what is run, and where.
            out: the run folder on this machine, into which models and tables are copied.
            show: called about once a second with the state of the run: ``done`` and ``total``
                steps, the ``latest`` rows of the history, ``status``, and ``connected`` and
                ``silent`` sites.
            say: called with a message in words.

        Raises:
            FlameError: the run failed, and the message says why; the same command resumes it.
        """
        furthest = -1
        tries = 0
        while True:
            done, why = self._one_job(submission, out, show, say)
            if not why:
                return
            tries = 0 if done > furthest else tries + 1
            furthest = max(done, furthest)
            if tries >= _TRIES:
                raise FlameError(f"{why}. Remove the cause, then run the same command again")
            say(f"{why}; going on from the last round")

    def _one_job(
        self, submission: Submission, out: Path, show: Callable[[RunState], None], say: Say
    ) -> tuple[int, str]:
        """Submit and follow one job; return its steps done, and why it ended early, if it did."""
        state: RunState = {"done": 0}
        try:
            with self.session() as session:
                _wait_for(session, submission, self.patience_s, say)
                job = _submit(session, submission)
                status = _follow(session, job, state, show)
                why = _fetch(session, job, out)
        except _LOST as error:
            return int(state["done"]), f"the server was lost ({type(error).__name__})"
        show({**state, "status": status})
        if why or status == _DONE:
            return int(state["done"]), why
        return int(state["done"]), f"the job ended early ({status})"


def _connected(session: Any) -> tuple[str, ...]:
    """Return the sites with a recent heartbeat; FLARE's list also contains sites that died."""
    beats = {c.name: c.last_connect_time for c in session.get_connected_client_list()}
    newest = max(beats.values(), default=0.0)
    return tuple(sorted(name for name, beat in beats.items() if newest - beat < _OVERDUE_S))


def _wait_for(session: Any, submission: Submission, patience_s: float, say: Say) -> None:
    """Wait until all sites are connected, or enough of them; show which are missing."""
    names = submission.sites
    end = time.monotonic() + patience_s
    shown = ""
    while True:
        missing = ", ".join(sorted(set(names) - set(_connected(session))))
        if not missing:
            return
        if time.monotonic() > end:
            there = set(names) & set(_connected(session))
            if len(there) >= (submission.least or len(names)):
                say(f"going on without {missing}")
                return
            raise FlameError(f"not connected: {missing}; start flame join there")
        if missing != shown:
            shown = missing
            say(f"waiting for {missing}")
        time.sleep(1)


def _submit(session: Any, submission: Submission) -> str:
    recipe = submission.recipe()
    with tempfile.TemporaryDirectory() as scratch:
        recipe.export(scratch)
        for code in Path(scratch).glob("*/*/custom"):
            shutil.rmtree(code)  # sites run installed code only
        return str(session.submit_job(str(Path(scratch) / submission.name)))


def _follow(session: Any, job: str, state: RunState, show: Callable[[RunState], None]) -> str:
    """Show the progress of a job until it ends, and return its status.

    A lost site that connects again cannot join a running job. If a site is lost and connected at
    two checks in a row, the job is aborted, so that the next one includes the site.
    """
    back_before: set[str] = set()
    why = ""
    while True:
        status = str(session.get_job_meta(job)["status"])
        if not status.startswith(_RUNNING):
            return why or status
        if status == "RUNNING":
            with contextlib.suppress(Exception):  # the job may not have begun, or have just ended
                state.update(session.do_app_command(job, PROGRESS_COMMAND, {}))
        connected = _connected(session)
        show({**state, "status": status, "connected": connected})
        back = set(state.get("silent", [])) & set(connected)
        if back_before & back and not why:
            session.abort_job(job)
            why = f"ended to include {', '.join(sorted(back))} again"
        back_before = back
        time.sleep(1)


def _fetch(session: Any, job: str, out: Path) -> str:
    """Copy the results of a job to ``out``, and return why it failed; empty if it did not."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(session.download_job_result(job, scratch)) / "workspace" / RESULT
        for folder in (MODELS, RESULTS):
            if (result / folder).is_dir():
                shutil.copytree(result / folder, out / folder, dirs_exist_ok=True)
        if (result / CROSS_SITE).exists():
            shutil.copy(result / CROSS_SITE, out)
        error = result / ERROR
        if not error.exists():
            return ""
        failed = json.loads(error.read_text(encoding="utf-8"))
        if failed["final"]:
            raise FlameError(failed["why"])
        return str(failed["why"])

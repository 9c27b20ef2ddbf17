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
from flame.federation.flare.daemon import LEAD
from flame.federation.flare.server import PROGRESS_COMMAND, RESULT, FlareServer
from flame.federation.flare.site import FlareSite
from flame.federation.run_files import CROSS_SITE, ERROR, MODELS

Say = Callable[[str], None]
Told = dict[str, Any]
_DONE, _RUNNING = "FINISHED:COMPLETED", ("SUBMITTED", "APPROVED", "DISPATCHED", "RUNNING")
_LOST = (OSError, SessionClosed, InternalError, NoReply, JobNotFound, CommandError)
"""Errors by which FLARE's session ends if the server ends."""
_LOGIN, _BEAT = 20.0, 16.0
"""Time-out of a login in s; and age in s from which a heartbeat, sent every 10 s, is overdue."""


@dataclass(frozen=True)
class AdminSession:
    """Access of an admin to a federation.

    Args:
        kit: folder of the admin's start-up kit.
        patience_s: how long to wait for a server or sites that are not reachable, in s.
    """

    kit: Path
    patience_s: float = 600.0

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Open a session with the server, and close it in the end.

        Raises:
            FlameError: the server is not reachable within ``patience_s``.
        """
        known = json.loads((self.kit / "startup" / LEAD).read_text())["admin"]
        until = time.monotonic() + self.patience_s
        while True:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    session = new_secure_session(known["username"], str(self.kit), timeout=_LOGIN)
                break
            except Exception as error:
                if time.monotonic() > until:
                    place = f"{known['host']}:{known['port']}"
                    raise FlameError(
                        f"no session with the server at {place} ({type(error).__name__}); is "
                        "flame serve running there, and may this port be reached?"
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

    def jobs(self) -> list[dict[str, str]]:
        """Return the ten newest jobs of the server, newest first.

        Each has ``job`` (its id), ``name``, ``status`` and ``submitted`` (a time).
        """
        with self.session() as session:
            found = session.list_jobs(reverse=True, limit=10)
        return [
            {
                "job": job["job_id"],
                "name": job["job_name"],
                "status": job["status"],
                "submitted": job["submit_time"],
            }
            for job in found
        ]

    def run(
        self, config: TrainConfig, name: str, out: Path, show: Callable[[Told], None], say: Say
    ) -> None:
        """Submit a run, follow it to its end and fetch its models.

        If a job ends early, a new one continues from the last finished round once all sites are
        connected. After two jobs in a row that did not get further, the run fails.

        Args:
            config: the configuration of the run.
            name: name of the run at the server.
            out: the run folder here, into which models and cross-site figures are copied.
            show: called about once a second with the progress: ``done`` and ``total`` steps, the
                ``latest`` rows of the history, ``status``, and ``connected`` and ``silent`` sites.
            say: called with a message in words.

        Raises:
            FlameError: the run failed, and the message says why; the same command resumes it.
        """
        furthest, tries = -1, 0
        while True:
            done, why = self._one_job(config, name, out, show, say)
            if not why:
                return
            tries = 0 if done > furthest else tries + 1
            furthest = max(done, furthest)
            if tries >= 2:
                raise FlameError(f"{why}. Mend it, then run the same command again to go on")
            say(f"{why}; going on from the last round")

    def _one_job(
        self, config: TrainConfig, name: str, out: Path, show: Callable[[Told], None], say: Say
    ) -> tuple[int, str]:
        """Submit and follow one job; return its steps done, and why it ended early, if it did."""
        names, told = centres(config.data), {"done": 0}
        try:
            with self.session() as session:
                _wait_for(session, names, self.patience_s, say)
                job = _submit(session, config, name)
                status = _follow(session, job, told, show)
                why = _fetch(session, job, out)
        except _LOST as error:
            return int(told["done"]), f"the server was lost ({type(error).__name__})"
        show({**told, "status": status})
        if why or status == _DONE:
            return int(told["done"]), why
        return int(told["done"]), f"the job ended early ({status})"


def _connected(session: Any) -> tuple[str, ...]:
    """Sites with a recent heartbeat; FLARE's own list also has sites that died."""
    beats = {c.name: c.last_connect_time for c in session.get_connected_client_list()}
    newest = max(beats.values(), default=0.0)
    return tuple(sorted(name for name, beat in beats.items() if newest - beat < _BEAT))


def _wait_for(session: Any, names: tuple[str, ...], patience_s: float, say: Say) -> None:
    until, said = time.monotonic() + patience_s, ""
    while missing := sorted(set(names) - set(_connected(session))):
        if time.monotonic() > until:
            raise FlameError(f"not connected: {', '.join(missing)}; start flame join there")
        if ", ".join(missing) != said:
            said = ", ".join(missing)
            say(f"waiting for {said}")
        time.sleep(1)


def _submit(session: Any, config: TrainConfig, name: str) -> str:
    names = centres(config.data)
    recipe = CollabRecipe(
        job_name=name,
        server=FlareServer(config.to_json(), name),
        client=FlareSite(config.to_json()),
        min_clients=len(names),
        sync_task_timeout=60,
    )
    with tempfile.TemporaryDirectory() as scratch:
        recipe.export(scratch)
        for code in Path(scratch).glob("*/*/custom"):
            shutil.rmtree(code)  # sites run installed code only
        return str(session.submit_job(str(Path(scratch) / name)))


def _follow(session: Any, job: str, told: Told, show: Callable[[Told], None]) -> str:
    """Show the progress of a job until it ends, and return its status.

    A lost site that connects again cannot join a running job. The job is then aborted, so that the
    next one includes the site.
    """
    back: set[str] = set()
    while True:
        status = str(session.get_job_meta(job)["status"])
        if not status.startswith(_RUNNING):
            return status
        if status == "RUNNING":
            with contextlib.suppress(Exception):  # the job may not have begun, or have just ended
                told.update(session.do_app_command(job, PROGRESS_COMMAND, {}))
        connected = _connected(session)
        show({**told, "status": status, "connected": connected})
        if back & (back := set(told.get("silent", [])) & set(connected)):
            session.abort_job(job)
            return f"ended to take in {', '.join(sorted(back))} again"
        time.sleep(1)


def _fetch(session: Any, job: str, out: Path) -> str:
    """Copy the results of a job to ``out``; return why it failed, empty if it did not."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(session.download_job_result(job, scratch)) / "workspace" / RESULT
        if (result / MODELS).is_dir():
            shutil.copytree(result / MODELS, out / MODELS, dirs_exist_ok=True)
        if (result / CROSS_SITE).exists():
            shutil.copy(result / CROSS_SITE, out)
        error = result / ERROR
        if not error.exists():
            return ""
        failed = json.loads(error.read_text(encoding="utf-8"))
        if failed["final"]:
            raise FlameError(failed["why"])
        return str(failed["why"])

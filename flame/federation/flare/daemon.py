"""The foreground process of a server or a site: starts FLARE's process and restarts it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flame.core.files import locked, write_text
from flame.core.processes import kill_tree
from flame.federation.flare.connection import why_not_connected
from flame.federation.flare.console_words import ConsoleWords
from flame.federation.flare.keys import check_dates
from flame.federation.flare.kit import SITE, server_of
from flame.federation.flare.notices import KIT_VARIABLE, NOTICES
from flame.federation.privacy.audit_log import AUDIT_FILE
from flame.federation.run_files import ROUNDS

CONSOLE = "console.log"
"""Name of the log with the output of the process."""
_JOB = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Name of the folder of a job."""
_POLL_S = 0.3
"""Interval in s at which the logs are read."""
_RESTART_S = 2.0
"""Pause in s before the process is restarted."""
_CLEAN_S = 3600.0
"""Interval in s at which folders of old jobs are removed."""
_SLOW_S = 30.0
"""Time in s without a connection after which a message says why."""
_FLARE = {"NVFLARE_CLIENT_OUTCOME_WAIT_TIMEOUT": "60"}
"""Settings of FLARE's process: a dead site holds up the end of a job for 60 s, not for 900 s."""
KEEP_DAYS = 30
"""Days for which a kit keeps the folder of a job after its last change."""
Say = Callable[[str], None]
"""Shows a message in words."""


def keep_running(kit: Path, variables: Mapping[str, str], say: Say) -> None:
    """Run the process of a kit until it is stopped, and restart it if it dies.

    Args:
        kit: the kit of a server or a site.
        variables: environment variables of the process, added to those of this one.
        say: called with a message in words.

    Raises:
        FlameError: the kit is already running.
    """
    _place_storage(kit)
    if warning := check_dates(kit):
        say(warning)
    with locked(kit / ".running"), _stopped_by_signals():
        while True:
            remove_old_jobs(kit)
            process = _started(kit, variables)
            try:
                code = _follow(kit, process, say)
            finally:
                kill_tree(process.pid)
            if code == 0:
                return
            say(f"the process ended with code {code} and is restarted; see {kit / CONSOLE}")
            time.sleep(_RESTART_S)


def remove_old_jobs(kit: Path) -> None:
    """Remove the folders of FLARE's jobs that have not changed for ``KEEP_DAYS``.

    A folder of a job is named by its UUID, and holds the configuration and logs of one submission.
    The kit's own files and the runs, with their models and states, stay.

    Args:
        kit: the kit of a server or a site.
    """
    oldest = time.time() - KEEP_DAYS * 86_400
    for parent in (kit, kit / "jobs", kit / "snapshots"):
        for folder in parent.glob("*") if parent.is_dir() else ():
            if _JOB.fullmatch(folder.name) and _changed(folder) < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _changed(folder: Path) -> float:
    """Return the time of the last change within a folder."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def _place_storage(kit: Path) -> None:
    """Keep FLARE's jobs in the kit; the whole machine shares FLARE's default folders."""
    path = kit / "local" / "resources.json"
    resources = json.loads(path.read_text())
    if "snapshot_persistor" not in resources:
        return
    storage = resources["snapshot_persistor"]["args"]["storage"]["args"]
    storage["root_dir"] = str(kit / "snapshots")
    for component in resources["components"]:
        if component["id"] == "job_manager":
            component["args"]["uri_root"] = str(kit / "jobs")
    write_text(path, json.dumps(resources, indent=1))


def _started(kit: Path, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with (kit / CONSOLE).open("ab") as console:
        return subprocess.Popen(
            [str(kit / "startup" / "sub_start.sh"), "--once"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            cwd=kit,
            env={**_FLARE, **os.environ, "PATH": search, KIT_VARIABLE: str(kit), **variables},
        )


def _follow(kit: Path, process: "subprocess.Popen[bytes]", say: Say) -> int:
    """Show new lines of the logs until the process ends, and return its exit code."""
    logs = {name: _size(kit / name) for name in (CONSOLE, AUDIT_FILE, ROUNDS, NOTICES)}
    is_site = (kit / "startup" / SITE).exists()
    console = ConsoleWords(server_of(kit) if is_site else "")
    started = cleaned = time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_S)
        for name in logs:
            for line in _new_lines(kit / name, logs):
                if name == CONSOLE:
                    for words in console.words(line):
                        say(words)
                else:
                    say(f"sent: {line}" if name == AUDIT_FILE else line)
        for words in console.settled():
            say(words)
        if time.monotonic() - cleaned > _CLEAN_S:
            remove_old_jobs(kit)
            cleaned = time.monotonic()
        if is_site and not console.connected and time.monotonic() - started > _SLOW_S:
            started = time.monotonic()
            say(f"no connection for {_SLOW_S:g} s: {_why(kit)}; trying again")
    return process.returncode


def _why(kit: Path) -> str:
    """Return why a site has no connection, in words."""
    return why_not_connected(kit) or f"the server can be reached; see {kit / CONSOLE}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _new_lines(path: Path, offsets: dict[str, int]) -> Iterator[str]:
    """Yield the complete lines added to a file since its offset in ``offsets``, and update it."""
    if _size(path) <= offsets[path.name]:
        return
    with path.open("rb") as stream:
        stream.seek(offsets[path.name])
        added = stream.read()
    complete = added[: added.rfind(b"\n") + 1]
    offsets[path.name] += len(complete)
    yield from complete.decode(errors="replace").splitlines()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """End the body without a traceback on Ctrl-C and SIGTERM."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)

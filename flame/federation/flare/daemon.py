"""The foreground process of a server or a site: starts FLARE's process and restarts it."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.files import locked, write_text
from flame.federation.flare.keys import check_dates
from flame.federation.flare.simulator import kill_tree
from flame.federation.privacy.audit_log import AUDIT_FILE
from flame.federation.run_files import ROUNDS

SERVER = "fed_server.json"
"""File in ``startup`` that identifies the kit of a server."""
SITE = "fed_client.json"
"""File in ``startup`` that identifies the kit of a site."""
ADMIN = "fed_admin.json"
"""File in ``startup`` that identifies the kit of an admin."""
CONSOLE = "console.log"
"""Name of the log with the output of the process."""
_JOB = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Name of the folder of a job."""
_REGISTERED = ("Successfully registered client", "Server started")
"""Texts in the output of FLARE's process once it is connected."""
_POLL_S = 0.3
"""Interval in s at which the logs are read."""
_RESTART_S = 2.0
"""Pause in s before the process is restarted."""
_CLEAN_S = 3600.0
"""Interval in s at which folders of old jobs are removed."""
_SLOW_S = 30.0
"""Time without a connection, in s, after which a message says what to check."""
_FLARE = {"NVFLARE_CLIENT_OUTCOME_WAIT_TIMEOUT": "60"}
"""Settings of FLARE's process: a dead site holds up the end of a job for 60 s, not for 900 s."""
KEEP_DAYS = 30
"""Days for which a kit keeps the folder of a job after its last change."""
Say = Callable[[str], None]
"""Shows a message in words."""


def check_kit(kit: Path, kind: str) -> Path:
    """Check that a folder is a start-up kit of the right kind.

    Args:
        kit: the folder.
        kind: kind of the kit: ``SERVER``, ``SITE`` or ``ADMIN``.

    Returns:
        The absolute path of the kit.

    Raises:
        BadInput: the folder is no kit, or a kit of another kind, or its certificate is not valid
            today.
    """
    commands = {SERVER: "serve", SITE: "join", ADMIN: "submit"}
    if (kit / "startup" / kind).exists():
        check_dates(kit)
        return kit.resolve()
    for other, command in commands.items():
        if (kit / "startup" / other).exists():
            raise BadInput(f"{kit} is a kit for flame {command}, not for flame {commands[kind]}")
    raise BadInput(f"{kit} is not a start-up kit; make kits with flame provision")


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
            env={**_FLARE, **os.environ, "PATH": search, **variables},
        )


def _follow(kit: Path, process: "subprocess.Popen[bytes]", say: Say) -> int:
    """Show new lines of the logs until the process ends, and return its exit code."""
    logs = {name: _size(kit / name) for name in (CONSOLE, AUDIT_FILE, ROUNDS)}
    started = cleaned = time.monotonic()
    connected = False
    while process.poll() is None:
        time.sleep(_POLL_S)
        for name in logs:
            for line in _new_lines(kit / name, logs):
                if name == AUDIT_FILE:
                    say(f"sent: {line}")
                elif name == ROUNDS:
                    say(line)
                elif any(text in line for text in _REGISTERED):
                    connected = True
                    say("connected" if "client" in line else "the server is up")
        if time.monotonic() - cleaned > _CLEAN_S:
            remove_old_jobs(kit)
            cleaned = time.monotonic()
        if not connected and time.monotonic() - started > _SLOW_S:
            connected = True  # the message is shown once
            say(
                "no connection yet; further attempts follow. Check that the server is up and that "
                f"its port can be reached from here; see also {kit / CONSOLE}"
            )
    return process.returncode


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


def check_ports(kit: Path) -> None:
    """Check that the ports of a server are free.

    Args:
        kit: the kit of the server.

    Raises:
        BadInput: another program listens on a port.
    """
    described = json.loads((kit / "startup" / SERVER).read_text())["servers"][0]
    ports = (described["service"]["target"].rpartition(":")[2], described["admin_port"])
    for port in map(int, ports):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                raise BadInput(
                    f"port {port} cannot be used ({error.strerror}): stop the program that listens "
                    "on it, or give another port in the project and provision again"
                ) from None


def server_of(kit: Path) -> str:
    """Return the address that a site connects to.

    Args:
        kit: the kit of the site.

    Returns:
        The address as host:port.
    """
    startup = json.loads((kit / "startup" / SITE).read_text())
    return str(startup["servers"][0]["service"]["target"])

"""``flame receive``: a DICOM node that collects complete studies, and preprocesses them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flame.core.error_log import log_error
from flame.core.errors import BadInput, FlameError
from flame.core.files import locked
from flame.io.archive.arrivals import Arrivals, Stored
from flame.io.archive.listener import Listener, Peer, Tls

_LOOK_S = 1.0
"""Pause in s between two looks for complete studies."""


@dataclass(frozen=True)
class ReceiveConfig:
    """Settings of a DICOM node.

    Args:
        folder: folder of complete studies.
        title: AE title of this node.
        allowed: senders that are allowed.
        port: port; 0: any.
        host: address to listen at; empty: all of this machine.
        quiet_s: time in s without a new image after which a study counts as complete.
        least_free_gb: space in GB that stays free on the disk.
        tls: files of TLS; None: connections are not encrypted.
    """

    folder: Path
    title: str
    allowed: tuple[Peer, ...]
    port: int = 11112
    host: str = ""
    quiet_s: float = 60.0
    least_free_gb: float = 5.0
    tls: Tls | None = None


def run(
    config: ReceiveConfig,
    say: Callable[[str], None],
    stopped: threading.Event,
    then: Callable[[Path], None] | None = None,
) -> int:
    """Receive images until stopped.

    Args:
        config: the settings.
        say: called with lines that name no patient.
        stopped: ends the run once it is set.
        then: called with the folder of all studies whenever further ones are complete.

    Returns:
        Number of studies that were completed.

    Raises:
        BadInput: no sender is allowed, or files of TLS cannot be used.
        FlameError: the port cannot be used, or another process receives into the folder.
    """
    if not config.allowed:
        raise BadInput("name the senders that may send with --allow TITLE@HOST")
    folder = config.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with locked(folder.with_name(f"{folder.name}.lock")):
        least_free = int(config.least_free_gb * 1e9)
        arrivals = Arrivals(folder, config.quiet_s, least_free)
        listener = Listener(arrivals, config.title, config.allowed, say, config.tls)
        port = listener.start(config.port, config.host)
        say(f"{config.title} listens at port {port}; complete studies come to {folder}")
        try:
            while not stopped.wait(_LOOK_S):
                studies = arrivals.complete()
                if studies:
                    done += len(studies)
                    say(f"{len(studies)} complete, {done} so far; {_counted(listener)}")
                    if then:
                        _after(then, folder, say)
        finally:
            listener.stop()
            say(f"{_counted(listener)}; {arrivals.half()} studies wait for the rest")
    return done


def _counted(listener: Listener) -> str:
    """Say what became of all images."""
    counts = listener.counts
    words = [f"{counts[Stored.NEW]} images stored"]
    others = [kind for kind in Stored if kind != Stored.NEW and counts[kind]]
    words += [f"{counts[kind]} {kind.value}" for kind in others]
    return ", ".join(words)


def _after(then: Callable[[Path], None], folder: Path, say: Callable[[str], None]) -> None:
    """Preprocess; an error is said, and receiving goes on."""
    try:
        then(folder)
    except FlameError as error:
        say(str(error))
    except Exception as error:  # of any kind: others still send
        log = log_error(folder, "flame receive --preprocess", error)
        say(f"preprocessing failed ({type(error).__name__}); the traceback is in {log}")

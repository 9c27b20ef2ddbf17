"""``flame retrieve``: studies of a DICOM archive, found by a query and sent here."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.files import locked
from flame.core.progress import Progress, silent
from flame.io.archive.arrivals import Arrivals
from flame.io.archive.listener import Listener, Peer
from flame.io.archive.query import Archive, Wanted
from flame.pipelines.receive import ReceiveConfig

_WAIT_S = 30.0
"""Longest time in s that the last images take to be written."""


def run(
    archive: Peer,
    wanted: Wanted,
    config: ReceiveConfig,
    say: Callable[[str], None],
    progress: Progress = silent,
) -> tuple[int, int]:
    """Find studies, and have those that are not here sent to this node.

    Args:
        archive: the archive, which must know this node by title, address and port.
        wanted: which studies.
        config: settings of this node; its senders are the archive alone.
        say: called with lines that name no patient.
        progress: called with the studies done and the total.

    Returns:
        Number of studies found, and of those that have arrived.

    Raises:
        BadInput: the archive has no address.
        FlameError: it cannot be reached, or a study did not arrive; the same command goes on.
    """
    if not (archive.host and archive.port):
        raise BadInput("name the archive with --from TITLE@HOST:PORT")
    asked = Archive(archive, config.title, config.tls)
    folder = config.folder
    with locked(folder.with_name(f"{folder.name}.lock")):
        arrivals = Arrivals(folder, quiet_s=0.0, least_free=int(config.least_free_gb * 1e9))
        # The address from which an archive sends may differ from that at which it listens.
        sender = replace(archive, host="", port=0)
        listener = Listener(arrivals, config.title, (sender,), say, config.tls)
        listener.start(config.port, config.host)
        try:
            studies = asked.studies(wanted)
            for number, (study, images) in enumerate(studies.items()):
                progress(number, len(studies))
                if not images or arrivals.count(study) < images:
                    asked.send(study)
            progress(len(studies), len(studies))
            end = time.monotonic() + _WAIT_S
            while arrivals.half() and time.monotonic() < end:
                time.sleep(0.1)
            arrivals.complete()
        finally:
            listener.stop()
    return len(studies), sum(1 for _ in Path(folder).iterdir())

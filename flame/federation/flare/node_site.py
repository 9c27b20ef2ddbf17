"""FLARE's client object for a program whose nodes talk to each other, such as that of a stream."""

import json
import os
import threading
from pathlib import Path
from secrets import token_hex
from typing import Any

from nvflare.collab import collab

from flame.core.arrays import digest
from flame.core.errors import Refusal
from flame.federation.flare.running_program import (
    RunningProgram,
    delivered,
    program_of,
    proxies_of,
    times_of,
    told_of,
)
from flame.federation.flare.site import DATA_VARIABLE
from flame.federation.mailbox import SERVER, Mailbox
from flame.federation.privacy.audit_log import AUDIT_FILE, AuditLog
from flame.federation.privacy.probes import RUNS_FILE, SELECTIONS_FILE, count_probe
from flame.federation.privacy.site_policy import POLICY_FILE, SitePolicy, read_policy
from flame.federation.run_files import PEERS, folder_of_run
from flame.federation.task import Message


class FlareNode:
    """FLARE's client object: the program of one site.

    Args:
        kind: kind of the program.
        config: its configuration as JSON.
    """

    def __init__(self, kind: str, config: str) -> None:
        self.kind = kind
        self.config = config
        self._box = Mailbox()
        self._running: RunningProgram | None = None
        self._lock = threading.Lock()

    @collab.publish
    def ready(self, run: str, names: list[str]) -> Message:
        """Read the data, and return the state with the position from which this site can go on.

        Args:
            run: name of the run in the kit; in a simulation the run folder.
            names: names of all sites.

        Returns:
            The state of ``RunningProgram``.
        """
        _of_server("ready")
        with self._lock:
            kit = Path(collab.workspace.get_root_dir())
            data = os.environ.get(DATA_VARIABLE, "")
            if self._running is None:
                try:
                    self._running = self._opened(kit, data, run, names)
                except Exception as error:
                    return {"finished": False, **told_of(error, "ready", kit, bool(data))}
            return dict(self._running.state)

    def _opened(self, kit: Path, data: str, run: str, names: list[str]) -> RunningProgram:
        site = collab.site_name
        proxies = proxies_of(names, site)
        proxies[SERVER] = collab.server
        module = program_of(self.kind)
        if data:
            policy = read_policy(Path(collab.workspace.get_site_config_dir()) / POLICY_FILE)
            _count_run(kit, policy, self.config)
            audit = AuditLog(kit / AUDIT_FILE)
            folder = folder_of_run(kit, run)
            program = module.node_program(self.config, site, folder, data, policy, audit.note)
        else:
            program = module.node_program(self.config, site, Path(run) / PEERS / site)
        return RunningProgram(program, proxies, times_of(self.config), self._box, kit, bool(data))

    @collab.publish
    def begin(self, position: int) -> bool:
        """Start the program.

        Args:
            position: number of steps that are done at all sites.

        Returns:
            Whether this site is ready.
        """
        _of_server("begin")
        if self._running and 0 <= position <= self._running.program.total:
            self._running.begin(int(position))
            return True
        return False

    @collab.publish
    def state(self) -> Message:
        """Return the progress of this site, without models and rows."""
        return dict(self._running.state) if self._running else {}

    @collab.publish
    def results(self) -> dict[str, str]:
        """Return the tables that may leave this site, as CSV by the name of their file."""
        _of_server("results")
        running = self._running
        if running is None or not running.state["finished"]:
            return {}
        try:
            tables: dict[str, str] = running.program.results()
        except Exception as error:
            told_of(error, "results", running.folder, running.provisioned)
            return {}
        return tables

    @collab.publish
    def finish(self) -> bool:
        """Delete what is needed to go on: all sites are finished.

        Returns:
            Whether this site is.
        """
        _of_server("finish")
        running = self._running
        if running and running.state["finished"]:
            running.program.finish()
            return True
        return False

    @collab.publish
    def owes(self, topic: str) -> bool:
        """See ``RunningProgram.owes``; True as long as this site has not begun."""
        return self._running is None or self._running.owes(topic)

    @collab.publish
    def deliver(self, topic: str, items: dict[str, Any]) -> bool:
        """Accept a message of another process; FLARE has authenticated the sender.

        Args:
            topic: topic of the message.
            items: contents by the sender.

        Returns:
            Whether the message is stored.
        """
        return delivered(self._running, self._box, topic, items)


def _count_run(kit: Path, policy: SitePolicy, config: str) -> None:
    """Count the jobs, and the choices of rows, by which runs could tell patients apart."""
    told = "has had its rows selected in {most} ways, as many as selections"
    chosen = digest({"table": str(json.loads(config).get("table"))})
    count_probe(kit / SELECTIONS_FILE, chosen, policy.selections, told)
    told = "has replied to {most} jobs, as many as runs"
    count_probe(kit / RUNS_FILE, token_hex(8), policy.runs, told)


def _of_server(what: str) -> None:
    """Refuse a call of another site."""
    if collab.caller != SERVER:
        raise Refusal(f"lets only the server call '{what}'")

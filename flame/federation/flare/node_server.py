"""FLARE's server object for programs whose nodes talk to each other, such as those of streams.

It starts the programs of all sites at the same step and waits for their end; messages between
sites pass through it.
"""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError, RunAborted

from flame.core.errors import BadInput, FlameError
from flame.core.files import write_text
from flame.federation.calls import said
from flame.federation.flare.running_program import (
    RunningProgram,
    delivered,
    least_of,
    program_of,
    proxies_of,
    times_of,
)
from flame.federation.flare.server import PROGRESS_COMMAND, RESULT, hand_over, write_failure
from flame.federation.mailbox import Mailbox
from flame.federation.run_files import (
    ERROR,
    PROGRESS,
    RESULT_FILE,
    RESULTS,
    folder_of_run,
    is_kit,
)
from flame.federation.task import Message

_LARGEST_TABLE = 50_000_000
"""Largest number of letters of a table that a site sends."""
_POLL_S = 0.5
"""Interval in s at which the server asks the sites how far they are."""
_STARTING_S = 300.0
"""Time in s that a site has to read its data."""
_TRIES = 3
"""Calls in a row without a response after which a site can be lost."""


class FlareNodes:
    """FLARE's server object: starts the programs of the sites, and has one of its own.

    Args:
        kind: kind of the program.
        config: its configuration as JSON.
        run_folder: run folder in a simulation, or the name of the run at a server.
        names: names of the sites.
    """

    def __init__(self, kind: str, config: str, run_folder: str, names: list[str]) -> None:
        self.kind = kind
        self.config = config
        self.run_folder = run_folder
        self.names = names
        self._box = Mailbox()
        self._running: RunningProgram | None = None

    @collab.main
    def main(self) -> None:
        """Run the programs; on failure write the reason into the run folder.

        Raises:
            FlameError: the run failed.
        """
        kit = Path(collab.workspace.get_root_dir())
        provisioned = is_kit(kit)
        run = folder_of_run(kit, self.run_folder) if provisioned else Path(self.run_folder)
        (run / ERROR).unlink(missing_ok=True)
        self._state: dict[str, Any] = {"done": 0, "total": 1, "latest": [], "silent": []}
        engine = collab.fl_ctx.get_engine()
        engine.register_app_command(PROGRESS_COMMAND, lambda *_: self._state)
        job = Path(collab.workspace.get_run_dir(collab.fl_ctx.get_job_id()))
        try:
            self._run(run, provisioned)
        except Exception as error:
            write_failure(run, error, isinstance(error, BadInput))
            raise
        finally:
            if provisioned:
                hand_over(run, job / RESULT)

    def _run(self, run: Path, provisioned: bool) -> None:
        proxies = proxies_of(self.names)
        absent = sorted(set(self.names) - set(proxies))
        self._state["silent"] = absent
        program = program_of(self.kind).server_program(self.config, run, provisioned)
        times = times_of(self.config)
        self._running = RunningProgram(program, proxies, times, self._box, run, provisioned)
        states = self._ready(proxies)
        begin = self._begin(states, program)
        self._running.begin(begin)
        for name in states:
            proxies[name](timeout=_STARTING_S).begin(begin)
        self._watch(proxies, states, run)
        there = [name for name, state in states.items() if state["finished"]]
        for name in there if provisioned else ():
            for file, table in proxies[name](timeout=_STARTING_S).results().items():
                if re.fullmatch(RESULT_FILE, file) and len(table) <= _LARGEST_TABLE:
                    write_text(run / RESULTS / name / file, table)
        self._check(states)
        for name in there:
            proxies[name](timeout=_STARTING_S).finish()
        program.finish()

    def _begin(self, states: Mapping[str, Message], program: Any) -> int:
        """Choose the latest step from which enough sites, and the server, can go on."""
        held = [set(state["positions"]) for state in states.values()]
        known = set.union(*held)
        if program.serves:
            known &= set(program.positions())
        enough = [
            p for p in known if sum(p in each for each in held) >= least_of(self.config, self.names)
        ]
        return max(enough, default=0)

    def _ready(self, proxies: Mapping[str, Any]) -> dict[str, Message]:
        """Return the states of the sites that are there; of all, unless fewer are enough."""
        states: dict[str, Message] = {}
        for name, proxy in proxies.items():
            try:
                states[name] = proxy(timeout=_STARTING_S).ready(self.run_folder, self.names)
            except CollabCallError:
                self._state["silent"].append(name)
        self._check(states, asked=True)
        return {name: state for name, state in states.items() if not state.get("error")}

    def _check(self, states: Mapping[str, Message], asked: bool = False) -> None:
        """Raise the errors of sites, unless enough others are ready, or finished."""
        key = "error" if asked else "finished"
        well = [n for n, state in states.items() if bool(state.get(key)) != asked]
        errors = {n: str(state["error"]) for n, state in states.items() if state.get("error")}
        lost = "did not respond" if asked else "was lost; the others have ended"
        reasons = {**dict.fromkeys(set(self.names) - set(well), lost), **errors}
        assert self._running is not None
        if self._running.state["error"]:
            raise FlameError(f"the server {self._running.state['error']}")
        if len(well) < least_of(self.config, self.names):
            final = any(state.get("refused") for state in states.values())
            raise (BadInput if final else FlameError)(said(reasons))

    def _watch(self, proxies: Mapping[str, Any], states: dict[str, Message], run: Path) -> None:
        """Wait until all sites that respond are done."""
        heartbeat_s = times_of(self.config)[1]
        last = dict.fromkeys(states, time.monotonic())
        failed = dict.fromkeys(states, 0)
        waiting = set(states)
        while waiting and not (self._running and self._running.state["error"]):
            for name in sorted(waiting):
                try:
                    states[name] = proxies[name](timeout=heartbeat_s).state() or states[name]
                    last[name], failed[name] = time.monotonic(), 0
                except RunAborted:
                    raise
                except CollabCallError:
                    failed[name] += 1
                    silent_s = time.monotonic() - last[name]
                    if silent_s > heartbeat_s and failed[name] >= _TRIES:
                        self._state["silent"] = sorted({*self._state["silent"], name})
                        waiting.discard(name)
                    continue
                if states[name]["finished"] or states[name]["error"]:
                    waiting.discard(name)
            done = min(int(state["position"]) for state in states.values())
            self._state.update(done=done, total=next(iter(states.values()))["total"])
            write_text(run / PROGRESS, json.dumps([done, self._state["total"]]))
            time.sleep(_POLL_S)

    @collab.publish
    def owes(self, topic: str) -> bool:
        """See ``RunningProgram.owes``."""
        return self._running is None or self._running.owes(topic)

    @collab.publish
    def deliver(self, topic: str, items: dict[str, Any]) -> bool:
        """See ``FlareNode.deliver``."""
        return delivered(self._running, self._box, topic, items)

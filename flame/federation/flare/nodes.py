"""FLARE's objects for programs whose nodes talk to each other, such as those of streams.

The program is chosen by its kind among those of FLAME, and runs in a thread of its own. The server
starts the programs of all sites at the same step and waits for their end; messages between sites
pass through it.
"""

import importlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError, RunAborted
from nvflare.collab.recipe import CollabRecipe

from flame.core.arrays import digest
from flame.core.errors import BadInput, FlameError, Refusal
from flame.core.files import write_text
from flame.federation.calls import said
from flame.federation.flare.failures import in_words, logged_kind
from flame.federation.flare.limits import flare_timeouts
from flame.federation.flare.outbox import Outbox
from flame.federation.flare.pieces import joined
from flame.federation.flare.server import PROGRESS_COMMAND, RESULT
from flame.federation.flare.site import DATA_VARIABLE
from flame.federation.mailbox import Mailbox, Neighbours
from flame.federation.privacy.audit_log import AUDIT_FILE, AuditLog
from flame.federation.privacy.probes import RUNS_FILE, SELECTIONS_FILE, count_probe
from flame.federation.privacy.site_policy import POLICY_FILE, SitePolicy, read_policy
from flame.federation.run_files import ERROR, PEERS, PROGRESS, folder_of_run, is_kit
from flame.federation.task import Message

PROGRAMS: Mapping[str, str] = {"stream": "flame.streams.nodes.program"}
"""Module of each kind of program; its ``node_program`` and ``server_program`` open them."""
SERVER = "server"
"""Name of the server among the senders of messages."""
RESULTS = "results"
"""Folder of the tables that sites have sent, a folder for each site."""
_RESULT_FILE, _LARGEST_TABLE = r"[A-Za-z0-9][\w.+-]*\.seed-\d+\.csv", 50_000_000
"""Names of tables of sites, and the letters that one can have."""
_PING_S = 3.0
"""Time-out in s of a check whether another process is alive."""
_POLL_S = 0.5
"""Interval in s at which the server asks the sites how far they are."""
_STARTING_S = 300.0
"""Time in s that a site has to read its data."""
_STEPS_KEPT, _LONGEST_TOPIC = 1, 60
"""Earlier steps of which messages are still stored, and letters of a topic."""
_TRIES = 3
"""Calls in a row without a response after which a site can be lost."""


def job_of_nodes(
    kind: str, config: str, names: tuple[str, ...], name: str, run: str, sync_s: int
) -> CollabRecipe:
    """Describe the job of a program.

    Args:
        kind: kind of the program.
        config: its configuration as JSON, with ``sites.timeout_s`` and ``heartbeat_timeout_s``.
        names: names of the sites.
        name: name of the job.
        run: run folder in a simulation, or the name of the run at a server.
        sync_s: time in s in which the processes of all sites must have started.

    Returns:
        FLARE's recipe.
    """
    recipe = CollabRecipe(
        job_name=name,
        server=FlareNodes(kind, config, run, list(names)),
        client=FlareNode(kind, config),
        min_clients=json.loads(config)["sites"]["min_sites"] or len(names),
        sync_task_timeout=sync_s,
    )
    limits = flare_timeouts(_times(config)[1])
    recipe.add_server_config(limits)
    recipe.add_client_config(limits)
    return recipe


def _times(config: str) -> tuple[float, float]:
    sites = json.loads(config)["sites"]
    return float(sites["timeout_s"]), float(sites["heartbeat_timeout_s"])


class _Running:
    """A program in a thread, with its mailbox.

    ``state`` holds ``position``, ``total``, ``positions`` from which the program can go on,
    ``finished`` and ``error``; it may leave the site.

    Args:
        program: the program, as ``NodeProgram`` of streams.
        proxies: FLARE's proxy of each process that it sends to, by name.
        times: see ``Neighbours``.
        box: what other processes have sent.
        folder: kit, or run folder, beside which errors are logged.
        provisioned: whether this is a real site: its messages to others are encrypted end to end,
            and of an error only the kind leaves it.
    """

    def __init__(
        self,
        program: Any,
        proxies: Mapping[str, Any],
        times: tuple[float, float],
        box: Mailbox,
        folder: Path,
        provisioned: bool,
    ) -> None:
        self.program = program
        self.proxies = proxies
        self.times = times
        self.box = box
        self.folder = folder
        self.provisioned = provisioned
        self.state: Message = {"finished": False, "error": "", "refused": False}
        positions = program.positions()
        self.state |= {"position": positions[-1], "positions": positions, "total": program.total}
        to_server = {name: p for name, p in proxies.items() if name == SERVER}
        to_sites = {name: p for name, p in proxies.items() if name != SERVER}
        self._outboxes = (
            Outbox(to_server, times[1], secure=False),
            Outbox(to_sites, times[1], secure=provisioned and bool(to_server)),
        )
        self._latest = (-1, -1, -1)
        self._thread: threading.Thread | None = None

    def begin(self, position: int) -> None:
        """Start the program, once.

        Args:
            position: number of steps that are done.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(position,), daemon=True)
            self._thread.start()

    def _work(self, position: int) -> None:
        def progress(done: int, total: int) -> None:
            self.state.update(position=done, total=total)

        try:
            neighbours = Neighbours(self.box, self._lives, self.times)
            self.program.run(position, neighbours, self._post, progress)
            for outbox in self._outboxes:
                outbox.wait(self.times[1])
            self.state.update(finished=True)
        except Exception as error:
            self.state.update(_told(error, "node", self.folder, self.provisioned))

    def owes(self, topic: str) -> bool:
        """Check whether another process may still expect a message of a topic from this one.

        Args:
            topic: the topic: number of the job and of the round.

        Returns:
            True if a message of the topic is not sent yet, or may still be created.
        """
        if any(outbox.has(topic) for outbox in self._outboxes):
            return True
        if self.state["finished"] or self.state["error"]:
            return False
        return _place(topic, self.program.rounds) > self._latest

    def expects(self, topic: str) -> bool:
        """Check whether a message of a topic can be of use, so that no other fills the mailbox.

        Args:
            topic: the topic.

        Returns:
            Whether it is of a job of this run, and of the last, the present or the next steps.
        """
        try:
            step, job, number = _place(topic, self.program.rounds)
        except ValueError:
            return False
        known = 0 <= job < len(self.program.jobs) and number >= 0 and step < self.program.total
        return known and self._latest[0] - _STEPS_KEPT <= step and len(topic) <= _LONGEST_TOPIC

    def _post(self, to: str, topic: str, items: Mapping[str, Message]) -> None:
        if to in self.proxies:  # another site may not be there
            self._outboxes[to != SERVER].post(to, topic, items)
        self._latest = max(self._latest, _place(topic, self.program.rounds))

    def _lives(self, name: str, topic: str) -> bool:
        if name not in self.proxies:
            return False
        try:
            return bool(self.proxies[name](timeout=_PING_S).owes(topic=topic))
        except CollabCallError:
            return False


def _count_run(kit: Path, policy: SitePolicy, config: str) -> None:
    """Count the jobs, and the choices of rows, by which runs could tell patients apart."""
    told = "has had its rows selected in {most} ways, as many as selections"
    chosen = digest({"table": str(json.loads(config).get("table"))})
    count_probe(kit / SELECTIONS_FILE, chosen, policy.selections, told)
    told = "has replied to {most} jobs, as many as runs"
    count_probe(kit / RUNS_FILE, token_hex(8), policy.runs, told)


def _proxies(names: list[str], but: str = "") -> dict[str, Any]:
    """Return FLARE's proxy of each site of a job that is there, by name."""
    there = {proxy.name: proxy for proxy in collab.clients}
    return {name: there[name] for name in names if name in there and name != but}


def _told(error: Exception, what: str, folder: Path, provisioned: bool) -> Message:
    """Return what of an error may leave a process, and whether it would come again."""
    final = isinstance(error, BadInput | Refusal)
    if isinstance(error, Refusal) or (isinstance(error, FlameError) and not provisioned):
        return {"error": str(error), "refused": final}
    return {"error": in_words(logged_kind(what, error, folder)), "refused": final}


def _place(topic: str, rounds: int) -> tuple[int, int, int]:
    """Return step, job and round of a topic, in the order in which they come."""
    job, number = topic.split(":")[:2]
    at = int(number.split(".")[0])
    return at // rounds, int(job), at


def _of_server(what: str) -> None:
    """Refuse a call of another site."""
    if collab.caller != SERVER:
        raise Refusal(f"lets only the server call '{what}'")


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
        self._running: _Running | None = None
        self._lock = threading.Lock()

    @collab.publish
    def ready(self, run: str, names: list[str]) -> Message:
        """Read the data, and return the state with the position from which this site can go on.

        Args:
            run: name of the run in the kit; in a simulation the run folder.
            names: names of all sites.

        Returns:
            The state of ``_Running``.
        """
        _of_server("ready")
        with self._lock:
            kit = Path(collab.workspace.get_root_dir())
            data = os.environ.get(DATA_VARIABLE, "")
            if self._running is None:
                try:
                    self._running = self._opened(kit, data, run, names)
                except Exception as error:
                    return {"finished": False, **_told(error, "ready", kit, bool(data))}
            return dict(self._running.state)

    def _opened(self, kit: Path, data: str, run: str, names: list[str]) -> _Running:
        site = collab.site_name
        proxies = _proxies(names, site)
        proxies[SERVER] = collab.server
        module = _module(self.kind)
        if data:
            policy = read_policy(Path(collab.workspace.get_site_config_dir()) / POLICY_FILE)
            _count_run(kit, policy, self.config)
            audit = AuditLog(kit / AUDIT_FILE)
            folder = folder_of_run(kit, run)
            program = module.node_program(self.config, site, folder, data, policy, audit.note)
        else:
            program = module.node_program(self.config, site, Path(run) / PEERS / site)
        return _Running(program, proxies, _times(self.config), self._box, kit, bool(data))

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
            _told(error, "results", running.folder, running.provisioned)
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
        """See ``_Running.owes``; True as long as this site has not begun."""
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
        return _delivered(self._running, self._box, topic, items)


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
        self._running: _Running | None = None

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
        except FlameError as error:
            final = isinstance(error, BadInput)
            write_text(run / ERROR, json.dumps({"why": str(error), "final": final}))
            raise
        except RunAborted:
            why = "NVIDIA FLARE ended the job, as it does when the process of a site dies"
            write_text(run / ERROR, json.dumps({"why": why, "final": False}))
            raise
        except Exception as error:
            why = f"the server failed ({type(error).__name__})"
            write_text(run / ERROR, json.dumps({"why": why, "final": False}))
            raise
        finally:
            if provisioned:
                _hand_over(run, job / RESULT)

    def _run(self, run: Path, provisioned: bool) -> None:
        proxies = _proxies(self.names)
        absent = sorted(set(self.names) - set(proxies))
        self._state["silent"] = absent
        program = _module(self.kind).server_program(self.config, run, provisioned)
        times = _times(self.config)
        self._running = _Running(program, proxies, times, self._box, run, provisioned)
        states = self._ready(proxies)
        begin = self._begin(states, program)
        self._running.begin(begin)
        for name in states:
            proxies[name](timeout=_STARTING_S).begin(begin)
        self._watch(proxies, states, run)
        there = [name for name, state in states.items() if state["finished"]]
        for name in there if provisioned else ():
            for file, table in proxies[name](timeout=_STARTING_S).results().items():
                if re.fullmatch(_RESULT_FILE, file) and len(table) <= _LARGEST_TABLE:
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
        enough = [p for p in known if sum(p in each for each in held) >= self._least]
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

    @property
    def _least(self) -> int:
        """Number of sites without which the run fails."""
        return int(json.loads(self.config)["sites"]["min_sites"]) or len(self.names)

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
        if len(well) < self._least:
            final = any(state.get("refused") for state in states.values())
            raise (BadInput if final else FlameError)(said(reasons))

    def _watch(self, proxies: Mapping[str, Any], states: dict[str, Message], run: Path) -> None:
        """Wait until all sites that respond are done."""
        heartbeat_s = _times(self.config)[1]
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
        """See ``_Running.owes``."""
        return self._running is None or self._running.owes(topic)

    @collab.publish
    def deliver(self, topic: str, items: dict[str, Any]) -> bool:
        """See ``FlareNode.deliver``."""
        return _delivered(self._running, self._box, topic, items)


def _delivered(running: _Running | None, box: Mailbox, topic: str, items: dict[str, Any]) -> bool:
    """Store a message of another process, if it is of use."""
    if running is None or not running.expects(topic):
        return False
    try:
        box.put(topic, collab.caller, joined(items, Path(collab.workspace.get_root_dir())))
    except Exception as error:  # whatever another process sends
        logged_kind("deliver", error, running.folder)
        return False
    return True


def _hand_over(run: Path, result: Path) -> None:
    """Copy the tables of the sites to the folder that the admin downloads."""
    result.mkdir(parents=True, exist_ok=True)
    if (run / RESULTS).is_dir():
        shutil.copytree(run / RESULTS, result / RESULTS)
    if (run / ERROR).exists():
        shutil.copy(run / ERROR, result)


def _module(kind: str) -> Any:
    if kind not in PROGRAMS:
        raise BadInput(f"unknown kind of program '{kind}'")
    return importlib.import_module(PROGRAMS[kind])

"""FLARE's client object: a ``Site`` with its policy and its audit log.

If a reply is lost, the server repeats the call and receives the same reply without further work.
The text of an error could hold patient data, so the server receives only its kind. Refusals are
sent as text, as they name no patient.
"""

import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

from nvflare.collab import collab

from flame.core.arrays import digest
from flame.core.errors import FlameError, Refusal
from flame.core.files import secret_in
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.failures import in_words, logged_kind
from flame.federation.flare.limits import size_of
from flame.federation.flare.peer import Peer, not_begun
from flame.federation.flare.pieces import LARGE, cut, joined, on_disk
from flame.federation.flare.trainings import flare_plan
from flame.federation.mailbox import Mailbox
from flame.federation.privacy.audit_log import AUDIT_FILE, AuditLog
from flame.federation.privacy.budget import BUDGET_FILE, Budget
from flame.federation.privacy.declaration import Declaration
from flame.federation.privacy.probes import PROBES_FILE, RUNS_FILE, SELECTIONS_FILE, count_probe
from flame.federation.privacy.site_policy import CALLS, POLICY_FILE, SitePolicy, read_policy
from flame.federation.run_files import PEERS, folder_of_run
from flame.federation.task import Message
from flame.federation.tasks.registry import open_task

DATA_VARIABLE = "FLAME_DATA"
"""Environment variable with the folder or table of a site. It is unset in a simulation, where the
configuration names the data."""
SECRET_FILE = "noise.key"
"""Name of the file in the kit that holds the key of the noise of differential privacy."""
_SIMULATED = SitePolicy(least_patients=1, least_count=1, peers=True)
"""Policy of a site in a simulation: the configuration of the run alone sets limits."""
_DEFINITIONS = ("id_column", "person_column", "survival", "horizon_days", "endpoint")
"""Keys of section ``data`` that name patients and define outcomes."""
_SELECTIONS = ("include", "ranges", "units", "categories", "unknown_status", "visits")
"""Keys of section ``data`` that decide who takes part, or whether the site refuses."""
BUSY = {"busy": True}
"""Reply of a site that still works on the call."""
UNKNOWN = {"unknown": True}
"""Reply of a site that does not know the call."""
READY = "ready"
"""Name of the bytes of a reply that is too large to send unasked."""


class FlareSite:
    """Works on one call at a time; the data are read at the first call.

    Args:
        config: the configuration of the run, as JSON.
    """

    def __init__(self, config: str) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1)
        self._call = ""  # number of the latest call
        self._reply: Future[Message] = Future()
        self._site: Any = None
        self._declaration: Declaration | None = None
        self._box = Mailbox()
        self._peer: Peer | None = None

    @collab.publish
    def alive(self) -> bool:
        """Return True: the site can be reached."""
        return True

    @collab.publish
    def call(self, number: str, method: str, arguments: dict[str, Any], wait: float) -> Message:
        """Begin a call, once for each number, and return its reply as ``again`` does.

        Args:
            number: number of the call, unique in a job.
            method: method of ``Site``.
            arguments: its arguments by name.
            wait: longest time to wait for the reply, in s.

        Returns:
            The reply; or ``refused`` or ``failed`` with the reason; or ``BUSY``.
        """
        with self._lock:
            if number != self._call:
                self._reply.cancel()
                resources = _SiteResources.now()
                self._call = number
                self._reply = self._pool.submit(self._work, resources, method, arguments)
        reply: Message = self.again(number, wait)
        return reply

    @collab.publish
    def again(self, number: str, wait: float) -> Message:
        """Return the reply to a call that was begun before.

        Args:
            number: number of the call.
            wait: longest time to wait for the reply, in s.

        Returns:
            The reply; ``READY`` with its bytes if it is large, for ``fetch``; ``BUSY`` if it is not
            ready after ``wait``; ``UNKNOWN`` for any call but the latest.
        """
        reply = self._known(number, wait)
        size = size_of(reply)
        return {READY: size} if size > LARGE else cut(reply)

    @collab.publish
    def fetch(self, number: str) -> Message:
        """Return a large reply that is ready, in pieces.

        Args:
            number: number of the call.

        Returns:
            The reply; ``UNKNOWN`` for any call but the latest.
        """
        pieces: Message = cut(self._known(number, 0))
        return pieces

    def _known(self, number: str, wait: float) -> Message:
        with self._lock:
            if number != self._call:
                return UNKNOWN
            reply = self._reply
        try:
            return reply.result(timeout=wait)
        except TimeoutError:
            return BUSY

    @collab.publish
    def start_peer(self, run: str) -> Message:
        """Begin to learn peer to peer, unless this site has begun already.

        Args:
            run: name of the run in the kit; in a simulation the run folder.

        Returns:
            The state of ``Peer``, with ``error`` if the site cannot begin.
        """
        with _only_kinds("start_peer", _SiteResources.now().kit) as failed:
            self._begin(run)
        if failed:
            error = failed.get("refused") or in_words(failed["failed"])
            return {**not_begun(), "error": error, "refused": "refused" in failed}
        state: Message = self.peer_state()
        return state

    def _begin(self, run: str) -> None:
        with self._lock:
            if self._peer is None:
                config = TrainConfig.from_json(self.config)
                resources = _SiteResources.now()
                provisioned = bool(resources.data)
                others = [name for name in centres(config.data) if name != resources.centre]
                proxies = {name: collab.get_clients([name])[0] for name in others}
                self._peer = Peer(
                    resources.centre,
                    config,
                    flare_plan(config, alone=provisioned),
                    partial(self._reply_or_raise, resources),
                    proxies,
                    resources.folder(run),
                    self._box,
                    secure=provisioned,
                )

    @collab.publish
    def peer_state(self) -> Message:
        """Return the progress of this site, without weights and patient data."""
        return dict(self._peer.state) if self._peer else UNKNOWN

    @collab.publish
    def owes(self, topic: str) -> bool:
        """Check whether a neighbour may still expect a message of a topic from this site.

        Args:
            topic: the topic.

        Returns:
            True if it may, and as long as this site has not begun.
        """
        return self._peer is None or self._peer.owes(topic)

    @collab.publish
    def deliver(self, topic: str, items: dict[str, Any]) -> bool:
        """Accept a message of a neighbour; FLARE has authenticated the sender.

        Args:
            topic: topic of the message.
            items: contents by the site that they are about.

        Returns:
            Whether the message is stored.
        """
        kit = _SiteResources.now().kit
        with _only_kinds("deliver", kit) as failed:
            self._box.put(topic, collab.caller, joined(items, kit))
        return not failed

    def _work(self, resources: "_SiteResources", method: str, arguments: dict[str, Any]) -> Message:
        with _only_kinds(method, resources.kit) as failed:
            arguments = joined(arguments, resources.kit)
            if method not in CALLS:
                raise Refusal(f"has no method '{method}'")
            resources.policy.check_query(arguments.get("query", method))
            if self._site is None:
                config = TrainConfig.from_json(self.config)
                self._declaration = resources.declaration(config)
                self._site = resources.open_site(config)
            if self._declaration:
                self._declaration.check(method, arguments)
            reply = getattr(self._site, method)(**arguments)
            kept: Message = on_disk(reply, resources.kit)
            resources.log(method, arguments, kept)
            return kept
        with _only_kinds(method, resources.kit):
            resources.log(method, arguments, failed)
        return failed

    def _reply_or_raise(
        self, resources: "_SiteResources", method: str, arguments: dict[str, Any]
    ) -> Message:
        """Return the reply for neighbours; raise a refusal or failure as the server sees it."""
        reply = self._work(resources, method, arguments)
        if "refused" in reply:
            raise Refusal(reply["refused"])
        if "failed" in reply:
            raise FlameError(in_words(reply["failed"]))
        return reply


class _SiteResources:
    """The resources of a site: name, data, policy and audit log."""

    def __init__(self, centre: str, kit: Path, local: Path) -> None:
        self.kit = kit
        self.centre = centre
        self.data = os.environ.get(DATA_VARIABLE, "")
        self.policy = read_policy(local / POLICY_FILE) if self.data else _SIMULATED
        self.audit = AuditLog(kit / AUDIT_FILE) if self.data else None

    @staticmethod
    def now() -> "_SiteResources":
        """Read the resources during a call by FLARE, when the site is known."""
        workspace = collab.workspace
        return _SiteResources(
            collab.site_name, Path(workspace.get_root_dir()), Path(workspace.get_site_config_dir())
        )

    def folder(self, run: str) -> Path:
        """Return the folder of a peer-to-peer run: in the kit, or in a simulated run's folder."""
        if not self.data:
            return Path(run) / PEERS / self.centre
        return folder_of_run(self.kit, run)

    def open_site(self, config: TrainConfig) -> Any:
        """Read the data and create the ``Site``."""
        from flame.federation.site import Site
        from flame.federation.tasks.cohorts import at_site, load_cohort

        config = at_site(self.policy.applied(config), self.data)
        task = open_task(config)
        if self.data:
            self._count(config, task.probe)
        if self.data and task.probe:
            # Groups of another size would overlap with these, and differ in single patients.
            privacy = replace(config.privacy, least_patients=self.policy.least_patients)
            config = replace(config, privacy=privacy)
            task = open_task(config)
        patients = task.patients(load_cohort(config, self.centre))
        protected = config.privacy.is_private and self.policy.epsilon > 0
        if self.data and config.privacy.least_patients > 1 and not protected:
            patients = self._in_groups(patients, config, task.cross_validated)
        secure = bool(self.data) and config.federation.secure
        least = config.privacy.least_patients
        kit = self.kit if self.data else None
        return Site(task, [patients], least, secure, self.privacy(config), kit)

    def _count(self, config: TrainConfig, probe: str) -> None:
        """Count what could be varied from run to run to tell patients apart."""
        chosen = digest(
            {
                **{key: str(getattr(config.data, key)) for key in _SELECTIONS},
                "landmark_day": str(config.model.landmark_day),
            }
        )
        count_probe(
            self.kit / SELECTIONS_FILE,
            chosen,
            self.policy.selections,
            "has had its patients selected in {most} ways, as many as selections",
        )
        count_probe(
            self.kit / RUNS_FILE,
            token_hex(8),  # each job begins its counts of queries anew, of whatever configuration
            self.policy.runs,
            "has replied to {most} jobs, as many as runs",
        )
        if probe:
            told = "has had {most} models validated, as many as validations"
            count_probe(self.kit / PROBES_FILE, probe, self.policy.validations, told)

    def _in_groups(self, patients: Any, config: TrainConfig, cross_validated: bool) -> Any:
        """Return the patients in groups that no reply tells apart; log who takes no part."""
        from flame.federation.privacy.disclosure_groups import GROUPS_FILE, DisclosureGroups
        from flame.federation.privacy.rare_values import check_rare_values

        least = config.privacy.least_patients
        secret = secret_in(self.kit / SECRET_FILE)
        definitions = {f"data.{key}": getattr(config.data, key) for key in _DEFINITIONS}
        least_kept = max(self.policy.least_patients, 2)
        kept = DisclosureGroups(self.kit / GROUPS_FILE, least_kept, secret, definitions)
        dealt = kept.dealt(patients, least)
        groups = len(set(dealt.patients.persons))
        if cross_validated and config.training.folds > groups:
            raise Refusal(
                f"has patients for {groups} folds of privacy.least_patients = {least}: lower "
                "training.folds"
            )
        if self.audit and (dealt.waiting or dealt.incomplete):
            self.audit.note(
                f"takes part with {len(dealt.patients.pseudonyms)} rows in {groups} groups; "
                f"{dealt.waiting} patients wait until {least} have come, {dealt.incomplete} are in "
                "groups of which a patient is missing"
            )
        if cross_validated:
            check_rare_values(dealt.patients, config.model.clinical_columns, least)
        return dealt.patients

    def declaration(self, config: TrainConfig) -> Declaration | None:
        """Return what a run may ask of this site; None in a simulation."""
        if not self.data:
            return None
        task = open_task(config)
        plan = flare_plan(config, alone=True)
        return Declaration(plan, task.rounds, task.most_sums, task.whole_queries)

    def privacy(self, config: TrainConfig) -> Any:
        """Create the ``CentrePrivacy`` of a run, within the budget of this site's policy."""
        from flame.federation.privacy.differential import CentrePrivacy

        if not config.privacy.is_private:
            return None
        limit = self.policy.epsilon or math.inf
        if not self.data:
            return CentrePrivacy(config, Budget(None, limit, self.policy.delta), b"")
        budget = Budget(self.kit / BUDGET_FILE, limit, self.policy.delta)
        return CentrePrivacy(config, budget, secret_in(self.kit / SECRET_FILE))

    def log(self, method: str, arguments: dict[str, Any], reply: Message) -> None:
        """Write a message to the audit log before it leaves."""
        if self.audit:
            self.audit.write(method, arguments, reply)


@contextmanager
def _only_kinds(method: str, kit: Path) -> Iterator[Message]:
    """Turn an error in the body into the message that may leave the site."""
    failed: Message = {}
    try:
        yield failed
    except Refusal as refusal:
        failed["refused"] = str(refusal)
    except Exception as error:
        failed["failed"] = logged_kind(method, error, kit)

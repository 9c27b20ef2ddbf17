"""FLARE's client object: a ``Site`` with its policy and its audit log.

If a reply was lost, the server repeats the call and gets the same reply without further work. The
text of an error could hold patient data, so the server gets its kind only. Refusals are sent as
text, as they name no patient.
"""

import math
import os
import re
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nvflare.collab import collab

from flame.core.errors import FlameError, Refusal
from flame.core.files import atomic_path
from flame.federation.config import TrainConfig, centres
from flame.federation.flare.failures import in_words, logged_kind
from flame.federation.flare.peer import Peer, not_begun
from flame.federation.flare.trainings import flare_plan
from flame.federation.neighbour_calls import Mailbox
from flame.federation.privacy.audit_log import AUDIT_FILE, AuditLog
from flame.federation.privacy.budget import BUDGET_FILE, Budget
from flame.federation.privacy.site_policy import CALLS, POLICY_FILE, SitePolicy, read_policy
from flame.federation.run_files import PEERS, RUNS
from flame.federation.task import Message
from flame.federation.tasks.registry import open_task

DATA_VARIABLE = "FLAME_DATA"
"""Environment variable with the folder or table of a site; unset in a simulation, where the
configuration says where data are."""
SECRET_FILE = "noise.key"
"""Name of the file in the kit that holds the key of the noise of differential privacy."""
_SIMULATED = SitePolicy(least_patients=1, least_count=1, peers=True)
BUSY, UNKNOWN = {"busy": True}, {"unknown": True}
"""Replies of a site that still works on a call, and of a site that does not know it."""


class FlareSite:
    """Works on one call at a time; the data are read at the first call.

    Args:
        config: the configuration of the run, as JSON.
    """

    def __init__(self, config: str) -> None:
        self.config = config
        self._lock, self._pool = threading.Lock(), ThreadPoolExecutor(1)
        self._call = ""
        self._answer: Future[Message] = Future()
        self._site: Any = None
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
            wait: how long to wait for the reply, in s.

        Returns:
            The reply; ``refused`` or ``failed`` with the reason instead; or ``BUSY``.
        """
        with self._lock:
            if number != self._call:
                self._answer.cancel()
                here = _Here.now()
                self._call = number
                self._answer = self._pool.submit(self._work, here, method, arguments)
        answer: Message = self.again(number, wait)
        return answer

    @collab.publish
    def again(self, number: str, wait: float) -> Message:
        """Return the reply to a call that was begun before.

        Args:
            number: number of the call.
            wait: how long to wait for the reply, in s.

        Returns:
            The reply; ``BUSY`` if it is not ready after ``wait``; ``UNKNOWN`` for another call than
            the last one.
        """
        with self._lock:
            if number != self._call:
                return UNKNOWN
            answer = self._answer
        try:
            return answer.result(timeout=wait)
        except TimeoutError:
            return BUSY

    @collab.publish
    def start_peer(self, run: str) -> Message:
        """Begin to learn peer to peer, unless this site has begun already.

        Args:
            run: name of the run in the kit; in a simulation the run folder.

        Returns:
            The state of ``Peer``.
        """
        with _only_kinds("start_peer", _Here.now().kit) as failed:
            self._begin(run)
        if failed:
            error = failed.get("refused") or in_words(failed["failed"])
            return {**not_begun(), "error": error, "refused": "refused" in failed}
        state: Message = self.peer_state()
        return state

    def _begin(self, run: str) -> None:
        with self._lock:
            if self._peer is None:
                config, here = TrainConfig.from_json(self.config), _Here.now()
                names, provisioned = centres(config.data), bool(here.data)
                proxies = {n: collab.get_clients([n])[0] for n in names if n != here.centre}
                self._peer = Peer(
                    here.centre,
                    config,
                    flare_plan(config, alone=provisioned),
                    partial(self._told, here),
                    proxies,
                    here.folder(run),
                    self._box,
                    secure=provisioned,
                )

    @collab.publish
    def peer_state(self) -> Message:
        """Return how far this site has come, without weights and figures of patients."""
        return dict(self._peer.state) if self._peer else UNKNOWN

    @collab.publish
    def owes(self, topic: str) -> bool:
        """Return whether a neighbour may still expect a message of a topic from this site.

        Args:
            topic: the topic.
        """
        return self._peer is None or self._peer.owes(topic)

    @collab.publish
    def deliver(self, topic: str, items: dict[str, Any]) -> bool:
        """Accept a message of a neighbour; FLARE has authenticated the sender.

        Args:
            topic: topic of the message.
            items: contents by the site that they are about.
        """
        self._box.put(topic, collab.caller, items)
        return True

    def _work(self, here: "_Here", method: str, arguments: dict[str, Any]) -> Message:
        with _only_kinds(method, here.kit) as failed:
            if method not in CALLS:
                raise Refusal(f"does nothing called '{method}'")
            if self._site is None:
                self._site = here.open_site(TrainConfig.from_json(self.config))
            here.policy.check_question(arguments.get("question", method))
            answer: Message = getattr(self._site, method)(**arguments)
            here.log(method, arguments, answer)
            return answer
        with _only_kinds(method, here.kit):
            here.log(method, arguments, failed)
        return failed

    def _told(self, here: "_Here", method: str, arguments: dict[str, Any]) -> Message:
        """The reply for neighbours; an error is raised as the server would see it."""
        answer = self._work(here, method, arguments)
        if "refused" in answer:
            raise Refusal(answer["refused"])
        if "failed" in answer:
            raise FlameError(in_words(answer["failed"]))
        return answer


class _Here:
    """The site's own resources: name, data, policy and audit log."""

    def __init__(self, centre: str, kit: Path, local: Path) -> None:
        self.kit, self.centre, self.data = kit, centre, os.environ.get(DATA_VARIABLE, "")
        given = local / POLICY_FILE
        self.policy = read_policy(given) if self.data else _SIMULATED
        self.audit = AuditLog(kit / AUDIT_FILE) if self.data else None

    @staticmethod
    def now() -> "_Here":
        """Read them within a call of FLARE's, where the site is known."""
        workspace = collab.workspace
        return _Here(
            collab.site_name, Path(workspace.get_root_dir()), Path(workspace.get_site_config_dir())
        )

    def folder(self, run: str) -> Path:
        """Folder of a peer-to-peer run: in the kit, or below the run folder in a simulation."""
        if not self.data:
            return Path(run) / PEERS / self.centre
        if not re.fullmatch(r"[\w-]+", run):
            raise Refusal("keeps runs in its own kit only")
        return self.kit / RUNS / run

    def open_site(self, config: TrainConfig) -> Any:
        """Read the data and create the ``Site``."""
        from flame.federation.site import Site
        from flame.federation.tasks.cohorts import at_site, load_cohort

        config = at_site(self.policy.applied(config), self.data)
        task = open_task(config)
        patients = task.patients(load_cohort(config, self.centre))
        secure = bool(self.data) and config.federation.secure
        return Site(task, [patients], config.privacy.least_patients, secure, self.privacy(config))

    def privacy(self, config: TrainConfig) -> Any:
        """Create the ``CentrePrivacy`` of a run, within the budget of this site's policy."""
        from flame.federation.privacy.differential import CentrePrivacy

        if not config.privacy.is_private:
            return None
        limit = self.policy.epsilon or math.inf
        if not self.data:
            return CentrePrivacy(config, Budget(None, limit, self.policy.delta), b"")
        budget = Budget(self.kit / BUDGET_FILE, limit, self.policy.delta)
        return CentrePrivacy(config, budget, secret_of(self.kit))

    def log(self, method: str, arguments: dict[str, Any], answer: Message) -> None:
        """Write a message that is about to leave to the audit log."""
        if self.audit:
            self.audit.write(method, arguments, answer)


def secret_of(kit: Path) -> bytes:
    """Return the key of a site's noise, which never leaves its kit; create it if there is none.

    Args:
        kit: the kit of the site.

    Returns:
        32 random bytes.
    """
    path = kit / SECRET_FILE
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


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

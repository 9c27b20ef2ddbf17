"""A site of FLARE that learns with its neighbours and tells the server only how far it is."""

import logging
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nvflare.collab.api.exceptions import CollabCallError

from flame.core.config import as_toml
from flame.core.errors import Refusal
from flame.core.files import write_text
from flame.federation.calls import SitesLost
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import CONFIG_FILE, TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.history import write_history
from flame.federation.networks import write_networks
from flame.federation.peer_calls import Answer, Mailbox, PeerCall
from flame.federation.plan import Federation
from flame.federation.strategies.chosen import strategy_of
from flame.federation.task import Message, open_task

_PING = 3.0
PEERS = "peers"
"""Folder of a run, or of a site's own, with a folder a site."""


class Peer:
    """Runs the plan of the site called ``name`` in a thread of its own; ``state`` can be told.

    Messages between sites pass through the server: where they are ``secure`` it cannot read them.
    """

    def __init__(
        self,
        name: str,
        config: TrainConfig,
        plan: list[Federation],
        answer: Answer,
        proxies: Mapping[str, Any],
        folder: Path,
        box: Mailbox,
        secure: bool,
    ) -> None:
        self.name, self.config, self.plan, self.folder = name, config, plan, folder
        self.proxies, self.box, self.secure = proxies, box, secure
        self.state: Message = {"done": 0, "total": 1, "finished": False, "error": ""}
        self._outgoing: dict[str, queue.Queue[tuple[str, Mapping[str, Message]]]] = {}
        self._answer = answer
        for neighbour in proxies:
            self._outgoing[neighbour] = queue.Queue()
            self._begin(partial(self._deliver, neighbour))
        self.thread = self._begin(self._work)

    def _begin(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        federation = self.config.federation

        def progress(done: int, total: int) -> None:
            self.state.update(done=done, total=total)

        try:
            strategy = strategy_of(self.config)
            call = PeerCall(
                self.name, self._answer, self.box, self._post, self._lives,
                strategy.peers,  # type: ignore[attr-defined]
                (federation.timeout_s, federation.silence_s), self.folder,
            )  # fmt: skip
            mine = [f for f in self.plan if self.name in f.centres]
            task = open_task(self.config)
            Coordinator(self.config, task, self.folder, mine, progress).run(call, call.taking_part)
            self._write()
            self.state.update(finished=True)
        except (Refusal, SitesLost) as error:
            self.state.update(error=str(error))
        except Exception as error:
            # Where it happened, not what it says: its text may hold a patient's data.
            where = "".join(traceback.format_tb(error.__traceback__))
            logging.getLogger(__name__).error("%s at\n%s", type(error).__name__, where)
            self.state.update(error=f"failed ({type(error).__name__}); its own log says where")

    def _write(self) -> None:
        """Make of the folder a run that can be read without FLAME."""
        write_text(self.folder / CONFIG_FILE, as_toml(self.config))
        write_history(self.folder)
        write_networks(self.folder, self.config, self.name)

    def _post(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        self._outgoing[neighbour].put((topic, items))

    def _deliver(self, neighbour: str) -> None:
        """Hand over what is waiting for one neighbour; what it cannot take is lost."""
        while True:
            topic, items = self._outgoing[neighbour].get()
            silence_s = self.config.federation.silence_s
            proxy = self.proxies[neighbour](timeout=silence_s, secure=self.secure)
            try:
                proxy.deliver(topic=topic, sender=self.name, items=dict(items))
            except CollabCallError as error:
                logging.getLogger(__name__).warning("%s: %s", neighbour, type(error).__name__)

    def owes(self, topic: str) -> bool:
        """Whether this site may still send something under a topic: not where it is past it."""
        if self.state["finished"] or self.state["error"]:
            return False
        training, _, number = topic.rpartition(":")
        at = load_checkpoint(checkpoint_path(self.folder, training))
        return at is None or not (at.finished or at.round >= int(number))

    def _lives(self, neighbour: str, topic: str) -> bool:
        try:
            return bool(self.proxies[neighbour](timeout=_PING).owes(topic=topic))
        except CollabCallError:
            return False

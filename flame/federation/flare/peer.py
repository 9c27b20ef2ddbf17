"""A FLARE site that learns peer to peer; the server learns only how far the site has come."""

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvflare.collab.api.exceptions import CollabCallError

from flame.core.errors import BadInput, FlameError, Refusal
from flame.core.files import write_text
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.flare.failures import in_words, logged_kind
from flame.federation.flare.outbox import Outbox
from flame.federation.history import write_history
from flame.federation.mailbox import Mailbox
from flame.federation.neighbour_calls import LocalCall, PeerCall
from flame.federation.networks import write_networks
from flame.federation.run_files import CONFIG, config_text
from flame.federation.run_strategy import gossip_of
from flame.federation.task import Message
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import Training

_PING_S = 3.0
"""Time-out in s of a check whether a neighbour is alive."""


def not_begun() -> Message:
    """Return the state of a peer before its first round, without weights and patient data."""
    return {"done": 0, "total": 1, "finished": False, "error": "", "refused": False}


class Peer:
    """Runs the trainings of one site in a thread of its own.

    ``state`` holds ``done`` and ``total`` steps, ``finished``, ``error`` (empty: none) and
    ``refused``. It may leave the site.

    Args:
        name: name of the site.
        config: the configuration of the run.
        plan: the trainings of the run; the site takes part in those that contain its centre.
        local_call: calls a method of this site's ``Site`` with arguments by name.
        proxies: FLARE's proxy of each other site, by its name.
        folder: folder of the run at this site.
        box: mailbox of what neighbours send.
        secure: whether messages to neighbours are encrypted end to end.
    """

    def __init__(
        self,
        name: str,
        config: TrainConfig,
        plan: list[Training],
        local_call: LocalCall,
        proxies: Mapping[str, Any],
        folder: Path,
        box: Mailbox,
        secure: bool,
    ) -> None:
        self.name = name
        self.config = config
        self.plan = plan
        self.folder = folder
        self.proxies = proxies
        self.box = box
        self.state: Message = not_begun()
        self._local_call = local_call
        self._outbox = Outbox(proxies, config.federation.heartbeat_timeout_s, secure)
        self._last_round: dict[str, float] = {}
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        federation = self.config.federation

        def progress(done: int, total: int) -> None:
            self.state.update(done=done, total=total)

        try:
            trainings = [training for training in self.plan if self.name in training.centres]
            self._last_round = {t.name: self._finished_round(t.name) for t in trainings}
            strategy = gossip_of(self.config)
            call = PeerCall(
                self.name,
                self._local_call,
                self.box,
                self._post,
                self._lives,
                strategy.peers,
                (federation.timeout_s, federation.heartbeat_timeout_s),
                self.folder,
            )
            task = open_task(self.config)
            coordinator = Coordinator(self.config, task, self.folder, trainings, progress)
            coordinator.run(call, call.taking_part)
            self._write()
            self._outbox.wait(federation.heartbeat_timeout_s)
            call.forget()
            self.state.update(finished=True)
        except Refusal as refusal:
            self.state.update(error=str(refusal), refused=True)
        except FlameError as error:  # an error of the coordinator, which has no patient data
            told = str(error).replace(str(self.folder), "its run")
            self.state.update(error=told, refused=isinstance(error, BadInput))
        except Exception as error:
            self.state.update(error=in_words(logged_kind("peer", error, self.folder)))

    def _write(self) -> None:
        """Write the files that make the folder a run that other programs can read."""
        write_text(self.folder / CONFIG, config_text(self.config))
        write_history(self.folder)
        write_networks(self.folder, self.config, self.name)

    def owes(self, topic: str) -> bool:
        """Check whether a neighbour may still expect a message of a topic from this site.

        Args:
            topic: the topic, such as ``TRAINING:ROUND``.

        Returns:
            True if a message of the topic is not sent yet, or may still be created.
        """
        if self._outbox.has(topic):
            return True
        if self.state["finished"] or self.state["error"]:
            return False
        training, _, number = topic.rpartition(":")
        return not number.isdigit() or int(number) > self._last_round.get(training, -1)

    def _finished_round(self, training: str) -> float:
        """Return the last round that this site finished in a training: -1 none, infinite all."""
        checkpoint = load_checkpoint(checkpoint_path(self.folder, training))
        if checkpoint is None:
            return -1
        return math.inf if checkpoint.finished else checkpoint.round

    def _post(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        self._outbox.post(neighbour, topic, items)
        training, _, number = topic.rpartition(":")
        if training in self._last_round:
            self._last_round[training] = max(self._last_round[training], int(number))

    def _lives(self, neighbour: str, topic: str) -> bool:
        try:
            return bool(self.proxies[neighbour](timeout=_PING_S).owes(topic=topic))
        except CollabCallError:
            return False

"""The coordinator: runs trainings round by round over the calls of any engine."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.arrays import all_finite, shaped
from flame.core.errors import BadInput, FlameError
from flame.core.progress import Progress, silent
from flame.core.scores import Update, Weights
from flame.core.version import __version__
from flame.federation.calls import Call, Replies, said
from flame.federation.checkpoint import (
    Checkpoint,
    checkpoint_path,
    finished,
    load_checkpoint,
    save_checkpoint,
)
from flame.federation.compression import BITS, beginnings, is_rounded, packed
from flame.federation.config import TrainConfig
from flame.federation.early_stopping import EarlyStopping
from flame.federation.privacy.secure_aggregation import LEAST_SITES
from flame.federation.privacy.secure_update import secure_sum, secure_update
from flame.federation.run_strategy import strategy_of
from flame.federation.strategies.strategy import State
from flame.federation.task import VALIDATION, Message, SendQuery, Shared, Task
from flame.federation.trainings import FEDERATED, Training, who
from flame.federation.update_checks import added, checked, rows_of


class Coordinator:
    """Runs trainings one after the other; rounds that are on disk already are not repeated.

    A training consists of first queries of the task, rounds of local training and aggregation, and
    final queries. A checkpoint is saved after the first queries, after every round and at the end.
    ``latest`` holds the rows that the last step added to the history.

    Args:
        config: the configuration of the run.
        task: the task of the run.
        run: the run folder.
        plan: the trainings in order; one that continues from another comes after it.
        progress: called with the steps done and the total.
        kind: kind of the trainings, which decides their strategy, see ``strategy_of``.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task[Any],
        run: Path,
        plan: list[Training],
        progress: Progress = silent,
        kind: str = FEDERATED,
    ) -> None:
        self.task = task
        self.run_folder = run
        self.plan = plan
        self.progress = progress
        self.strategy = strategy_of(config, kind)
        self.min_available_sites = config.federation.min_available_sites
        self.latest: list[dict[str, Any]] = []
        self._begun: dict[str, tuple[int, list[Weights]]] = {}
        self.bits = config.federation.bits
        self.private = config.privacy.is_private
        self.stopping = EarlyStopping(config.training.watch, config.training.patience)
        self.secure = config.federation.secure
        self.validating = config.training.validation > 0

    def run(self, call: Call, sites: Callable[[Training], tuple[str, ...]]) -> None:
        """Run all trainings.

        Args:
            call: the calls of the engine.
            sites: returns the sites that hold the centres of a training.

        Raises:
            BadInput: a site runs another version of FLAME.
            FlameError: too few sites sent an update in a round, or the weights are no longer
                finite.
            SitesLost: a site did not reply to a query.
        """
        everyone = tuple(sorted({site for training in self.plan for site in sites(training)}))
        for site, reply in call("describe", everyone).all("describe").items():
            if reply["version"] != __version__:
                raise BadInput(
                    f"site {site} runs FLAME {reply['version']}, not {__version__}; install the "
                    "same version everywhere"
                )
        for index, training in enumerate(self.plan):
            self._train(training, tuple(sorted(sites(training))), call, index)

    def _train(self, training: Training, sites: tuple[str, ...], call: Call, index: int) -> None:
        path = checkpoint_path(self.run_folder, training.name)
        checkpoint = load_checkpoint(path)
        steps = self.task.rounds + 2  # first queries, rounds, final queries
        self._begun = {}
        self.latest = []
        send = self._query_sender(call, sites, training)

        def save(done: int) -> None:
            assert checkpoint is not None
            save_checkpoint(path, checkpoint)
            self.progress(index * steps + done, len(self.plan) * steps)

        if checkpoint is None:
            state, shared = self._start(training, sites, call)
            state = self.strategy.begin(state, sites)
            checkpoint = Checkpoint(0, state, self.task.prepare(send, shared))
            save(1)
        while checkpoint.round < self.task.rounds and not self.stopping.is_over(checkpoint):
            checkpoint = self._round(training, sites, call, checkpoint)
            save(1 + checkpoint.round)
        self.latest = []
        if not checkpoint.finished:
            checkpoint = replace(checkpoint, state=checkpoint.best or checkpoint.state)
            whole = training.fold is None
            shared = self.task.finish(send, checkpoint.state.weights, checkpoint.shared, whole)
            checkpoint = replace(checkpoint, shared=shared, finished=True)
        save(steps)

    def _start(
        self, training: Training, sites: tuple[str, ...], call: Call
    ) -> tuple[State, Shared]:
        if training.start:
            start = finished(self.run_folder, training.start)
            weights = self.strategy.weights_for(start.state, training.centres[0])
            return State(weights, {}, start.state.names), start.shared
        replies = call("initial_weights", sites[:1], seed=training.seed)
        first = replies.all("initial_weights")[sites[0]]
        return State(first["weights"], {}, tuple(first["names"])), {}

    def _round(
        self, training: Training, sites: tuple[str, ...], call: Call, checkpoint: Checkpoint
    ) -> Checkpoint:
        number = checkpoint.round + 1
        started = time.perf_counter()
        each = {}
        bits = self._bits(sites)
        for site in sites:
            weights = self.strategy.weights_for(checkpoint.state, site)
            corrections = self.strategy.corrections(checkpoint.state, site)
            request = {"weights": weights, "corrections": [vars(c) for c in corrections]}
            each[site] = packed(request) if is_rounded(bits) else request
            self._begun.setdefault(site, (number, beginnings(weights, corrections)))
        secret = f"{training.name}:{number}" if self._hides(sites) else ""
        replies = call(
            "train",
            sites,
            each,
            self.strategy.enough,
            name=training.name,
            number=number,
            shared=checkpoint.shared,
            who=who(training),
            secret=secret,
            bits=bits,
        )
        seconds = round(time.perf_counter() - started, 4)
        fewest = 1 if self.strategy.alone_suffices else self.strategy.enough
        least = min(self.min_available_sites or fewest or len(sites), len(sites))
        if secret:
            trained = tuple(sorted(replies.got))
            update, lost_while_hiding = secure_update(
                call, trained, least, secret, checkpoint.state.weights, seconds
            )
            updates = [update]
            lost = {**replies.lost, **lost_while_hiding}
            self._begun = {}
        else:
            updates, lost = self._dated(replies, checkpoint, number, bits)
            if len(updates) < least:
                raise FlameError(f"round {number} of {training.name}: {said(lost)}")
        self.latest = rows_of(training.name, number, seconds, updates, lost)
        if self.private:
            self.latest = [{**row, "loss": None} for row in self.latest]
        state = self.strategy.aggregate(checkpoint.state, updates)
        if not all_finite(state.weights):
            raise FlameError(
                f"round {number} of {training.name}: the weights are no longer finite; lower "
                "training.learning_rate, or the learning rate in federation.options"
            )
        # It may have been finished, with fewer rounds.
        checkpoint = replace(checkpoint, round=number, state=state, finished=False)
        if self.validating:
            checkpoint = self._validated(training, sites, call, checkpoint)
        return replace(checkpoint, history=[*checkpoint.history, *self.latest])

    def _dated(
        self, replies: Replies, checkpoint: Checkpoint, number: int, bits: int
    ) -> tuple[list[Update], dict[str, str]]:
        """Add initial weights and staleness in rounds to the updates; also return lost sites."""
        began = {site: self._begun.pop(site) for site in (*replies.got, *replies.lost)}
        if is_rounded(bits):
            replies = added(replies, {site: weights for site, (_, weights) in began.items()})
        models = {site: len(weights) for site, (_, weights) in began.items()}
        updates, lost = checked(replies, checkpoint.state, models)
        dated = []
        for update in updates:
            since, weights = began[update.centre]
            old = weights[-1] if since < number else []
            dated.append(replace(update, since=old, staleness=number - since))
        return dated, lost

    def _hides(self, sites: tuple[str, ...]) -> bool:
        """Return whether the sites send sums under masks; fewer than three cannot hide anything."""
        return self.secure and len(sites) >= LEAST_SITES

    def _bits(self, sites: tuple[str, ...]) -> int:
        """Bits per value; a model of one site is not rounded, as others are compared with it."""
        return self.bits if len(sites) > 1 else max(BITS)

    def _validated(
        self, training: Training, sites: tuple[str, ...], call: Call, checkpoint: Checkpoint
    ) -> Checkpoint:
        each = {
            site: {"weights": self.strategy.weights_for(checkpoint.state, site)} for site in sites
        }
        each = packed(each) if is_rounded(self._bits(sites)) else each
        replies = self._replies(
            call,
            sites,
            f"{training.name}:{checkpoint.round}:{VALIDATION}",
            each,
            query=VALIDATION,
            parameters={},
            shared=checkpoint.shared,
            calibrating=True,
            who=who(training),
        )
        loss = self.stopping.loss(replies.got)
        self.latest = [{**row, "validation": loss} for row in self.latest]
        return self.stopping.after(checkpoint, loss)

    def _query_sender(self, call: Call, sites: tuple[str, ...], training: Training) -> SendQuery:
        def send(
            query: str,
            parameters: Message,
            weights: Weights = (),  # type: ignore[assignment]
            shared: Shared | None = None,
            calibrating: bool = False,
        ) -> list[Message]:
            replies = self._replies(
                call,
                sites,
                f"{training.name}:{query}",
                query=query,
                parameters=parameters,
                weights=list(weights),
                shared=shared or {},
                calibrating=calibrating,
                who=who(training),
            ).all(query)
            return [replies[site] for site in sorted(replies)]

        return send

    def _replies(
        self,
        call: Call,
        sites: tuple[str, ...],
        what: str,
        each: Mapping[str, Message] | None = None,
        **arguments: Any,
    ) -> Replies:
        """Return the replies to a query; under secure aggregation their sum, as of one site."""
        if not self._hides(sites):
            return call("reply", sites, each, **arguments)
        replies = call("reply", sites, each, secret=what, **arguments)
        shapes = next(iter(replies.all(what).values()))["shapes"]
        total, names, _ = secure_sum(call, sites, len(sites), what)
        arrays = shaped(total, [np.zeros(shape) for shape in shapes.values()])
        return Replies({"+".join(names): dict(zip(shapes, arrays, strict=True))})

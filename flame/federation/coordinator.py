"""The coordinator: runs trainings round by round over the calls of any engine."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import BadInput, FlameError
from flame.core.progress import Progress, silent
from flame.core.scores import Update, Weights
from flame.core.version import __version__
from flame.federation.calls import Answers, Call, said
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
from flame.federation.privacy.secure_aggregation import secure_update
from flame.federation.run_strategy import strategy_of
from flame.federation.strategies.strategy import State
from flame.federation.task import VALIDATION, Message, SendQuery, Shared, Task
from flame.federation.trainings import FEDERATED, Training, who
from flame.federation.update_checks import added, checked, rows_of


class Coordinator:
    """Runs trainings one after the other; what is on disk already is not trained again.

    Each training is: queries of the task, rounds of local training and aggregation, final queries.
    A checkpoint is saved after the first queries, after every round and at the end. ``latest``
    holds the rows that the last step added to the history.

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
        self.task, self.run_folder, self.plan, self.progress = task, run, plan, progress
        self.strategy, self.min_available_sites = (
            strategy_of(config, kind),
            config.federation.min_available_sites,
        )
        self.latest: list[dict[str, Any]] = []
        self._begun: dict[str, tuple[int, list[Weights]]] = {}
        self.bits, self.private = config.federation.bits, config.privacy.is_private
        training = config.training
        self.stopping = EarlyStopping(training.watch, training.patience)
        self.secure = config.federation.secure
        self.validating = training.validation > 0

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
        everyone = tuple(sorted({s for f in self.plan for s in sites(f)}))
        for site, answer in call("describe", everyone).all("describe").items():
            if answer["version"] != __version__:
                raise BadInput(f"site {site} runs FLAME {answer['version']}, not {__version__}")
        for index, federation in enumerate(self.plan):
            self._train(federation, tuple(sorted(sites(federation))), call, index)

    def _train(self, federation: Training, sites: tuple[str, ...], call: Call, index: int) -> None:
        path = checkpoint_path(self.run_folder, federation.name)
        at, steps = load_checkpoint(path), self.task.rounds + 2
        self._begun, self.latest = {}, []
        send = _sending(call, sites, who(federation))

        def save(done: int) -> None:
            assert at is not None
            save_checkpoint(path, at)
            self.progress(index * steps + done, len(self.plan) * steps)

        if at is None:
            state, shared = self._start(federation, sites, call)
            state = self.strategy.begin(state, sites)
            at = Checkpoint(0, state, self.task.prepare(send, shared))
            save(1)
        while at.round < self.task.rounds and not self.stopping.is_over(at):
            at = self._round(federation, sites, call, at)
            save(1 + at.round)
        self.latest = []
        if not at.finished:
            at = replace(at, state=at.best or at.state)
            shared = self.task.finish(send, at.state.weights, at.shared)
            at = replace(at, shared=shared, finished=True)
        save(steps)

    def _start(
        self, federation: Training, sites: tuple[str, ...], call: Call
    ) -> tuple[State, Shared]:
        if federation.start:
            start = finished(self.run_folder, federation.start)
            weights = self.strategy.weights_for(start.state, federation.centres[0])
            return State(weights, {}, start.state.names), start.shared
        answers = call("initial_weights", sites[:1], seed=federation.seed)
        first = answers.all("initial_weights")[sites[0]]
        return State(first["weights"], {}, tuple(first["names"])), {}

    def _round(
        self, federation: Training, sites: tuple[str, ...], call: Call, at: Checkpoint
    ) -> Checkpoint:
        number, started = at.round + 1, time.perf_counter()
        each, bits = {}, self._bits(sites)
        for site in sites:
            weights = self.strategy.weights_for(at.state, site)
            corrections = self.strategy.corrections(at.state, site)
            sent = {"weights": weights, "corrections": [vars(c) for c in corrections]}
            each[site] = packed(sent) if is_rounded(bits) else sent
            self._begun.setdefault(site, (number, beginnings(weights, corrections)))
        secret = self.secure and len(sites) > 1
        answers = call(
            "train",
            sites,
            each,
            self.strategy.enough,
            name=federation.name,
            number=number,
            shared=at.shared,
            who=who(federation),
            secret=secret,
            bits=bits,
        )
        wall = round(time.perf_counter() - started, 4)
        fewest = 1 if self.strategy.alone_suffices else self.strategy.enough
        least = min(self.min_available_sites or fewest or len(sites), len(sites))
        if secret:
            there = tuple(sorted(answers.got))
            hidden, also = secure_update(
                call, there, least, federation.name, number, at.state.weights, wall
            )
            updates, lost = [hidden], {**answers.lost, **also}
            self._begun = {}
        else:
            updates, lost = self._dated(answers, at, number, bits)
            if len(updates) < least:
                raise FlameError(f"round {number} of {federation.name}: {said(lost)}")
        self.latest = rows_of(federation.name, number, wall, updates, lost)
        if self.private:
            self.latest = [{**row, "loss": None} for row in self.latest]
        state = self.strategy.aggregate(at.state, updates)
        if not all(np.isfinite(w).all() for w in state.weights):
            raise FlameError(
                f"round {number} of {federation.name}: the weights are no numbers any more; lower "
                "training.learning_rate, or the rate of federation.options"
            )
        at = replace(at, round=number, state=state)
        if self.validating:
            at = self._validated(federation, sites, call, at)
        return replace(at, history=[*at.history, *self.latest])

    def _dated(
        self, answers: Answers, at: Checkpoint, number: int, bits: int
    ) -> tuple[list[Update], dict[str, str]]:
        """Add initial weights and staleness in rounds to the updates; also return lost sites."""
        began = {site: self._begun.pop(site) for site in (*answers.got, *answers.lost)}
        if is_rounded(bits):
            answers = added(answers, {site: weights for site, (_, weights) in began.items()})
        found, lost = checked(answers, at.state)
        dated = []
        for update in found:
            since, weights = began[update.centre]
            old = weights[-1] if since < number else []
            dated.append(replace(update, since=old, staleness=number - since))
        return dated, lost

    def _bits(self, sites: tuple[str, ...]) -> int:
        """Bits per value; a model of one site is not rounded, as others are compared with it."""
        return self.bits if len(sites) > 1 else max(BITS)

    def _validated(
        self, federation: Training, sites: tuple[str, ...], call: Call, at: Checkpoint
    ) -> Checkpoint:
        each = {site: {"weights": self.strategy.weights_for(at.state, site)} for site in sites}
        each = packed(each) if is_rounded(self._bits(sites)) else each
        answers = call(
            "reply",
            sites,
            each,
            question=VALIDATION,
            given={},
            shared=at.shared,
            calibrating=True,
            who=who(federation),
        )
        loss = self.stopping.loss(answers.got)
        self.latest = [{**row, "validation": loss} for row in self.latest]
        return self.stopping.after(at, loss)


def _sending(call: Call, sites: tuple[str, ...], patients: Message) -> SendQuery:
    def send(
        question: str,
        given: Message,
        weights: Weights = (),  # type: ignore[assignment]
        shared: Shared | None = None,
        calibrating: bool = False,
    ) -> list[Message]:
        replies = call(
            "reply",
            sites,
            question=question,
            given=given,
            weights=list(weights),
            shared=shared or {},
            calibrating=calibrating,
            who=patients,
        ).all(question)
        return [replies[site] for site in sites]

    return send

"""The coordinator: runs trainings round by round over whatever engine carries its calls."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flame import __version__
from flame.core.errors import BadInput, FlameError
from flame.core.scores import Update, Weights
from flame.federation.calls import Answers, Call, said
from flame.federation.checkpoint import (
    Checkpoint,
    checkpoint_path,
    finished,
    load_checkpoint,
    save_checkpoint,
)
from flame.federation.config import TrainConfig
from flame.federation.early_stopping import EarlyStopping
from flame.federation.plan import FEDERATED, Federation, who
from flame.federation.secure_sum import secure_update
from flame.federation.strategies import (  # noqa: F401  (they register themselves)
    bulyan,
    centred_clipping,
    ditto,
    fedadagrad,
    fedadam,
    fedavg,
    fedavgm,
    fedbn,
    fedbuff,
    feddyn,
    fednova,
    fedprox,
    fedrep,
    fedyogi,
    geometric_median,
    krum,
    median,
    qffl,
    scaffold,
    trimmed_mean,
)
from flame.federation.strategies.strategy import State, Strategy, open_strategy
from flame.federation.task import VALIDATION, Ask, Message, Shared, Task

Progress = Callable[[int, int], None]


def _nothing(done: int, total: int) -> None:
    """No progress shown."""


def strategy_of(config: TrainConfig, kind: str = FEDERATED) -> Strategy:
    """The strategy of a run, or that of a ``kind`` of model in ``federation.compare``.

    BadInput for one that its training does not fit.
    """
    federation, training = config.federation, config.training
    compared = kind in federation.compare
    name = kind if compared else federation.strategy
    options = {} if compared else federation.options
    found = open_strategy(name, options, training.learning_rate)
    if found.plain_gradients and (config.task != "response" or training.optimizer != "sgd"):
        raise BadInput(
            f"federation.strategy {name} counts on plain gradient steps: set "
            "training.optimizer = 'sgd', on task response"
        )
    if federation.secure and not found.mean_suffices:
        raise BadInput(f"federation.secure shows the mean alone, and {name} needs each update")
    if config.privacy.is_private and len(found.corrections(State([]), "")) > 1:
        raise BadInput(f"privacy.level: with {name} a site learns twice in a round; choose another")
    return found


class Coordinator:
    """Trains every federation of a plan; what is on disk already is not trained again.

    ``latest`` are the rows of the history that the last round added.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task[Any],
        run: Path,
        plan: list[Federation],
        progress: Progress = _nothing,
        kind: str = FEDERATED,
    ) -> None:
        self.task, self.run_folder, self.plan, self.progress = task, run, plan, progress
        self.strategy, self.min_sites = strategy_of(config, kind), config.federation.min_sites
        self.latest: list[dict[str, Any]] = []
        self._begun: dict[str, tuple[int, Weights]] = {}
        training = config.training
        self.stopping = EarlyStopping(training.watch, training.patience)
        self.secure = config.federation.secure
        self.validating = training.validation > 0

    def run(self, call: Call, sites: Callable[[Federation], tuple[str, ...]]) -> None:
        """Run the plan; ``sites`` says which sites hold the centres of a federation."""
        everyone = tuple(sorted({s for f in self.plan for s in sites(f)}))
        for site, answer in call("describe", everyone).all("describe").items():
            if answer["version"] != __version__:
                raise FlameError(f"site {site} runs FLAME {answer['version']}, not {__version__}")
        for index, federation in enumerate(self.plan):
            self._train(federation, tuple(sorted(sites(federation))), call, index)

    def _train(
        self, federation: Federation, sites: tuple[str, ...], call: Call, index: int
    ) -> None:
        path = checkpoint_path(self.run_folder, federation.name)
        at, steps = load_checkpoint(path), self.task.rounds + 2
        self._begun = {}
        ask = _asking(call, sites, who(federation))

        def save(done: int) -> None:
            assert at is not None
            save_checkpoint(path, at)
            self.progress(index * steps + done, len(self.plan) * steps)

        if at is None:
            state, shared = self._start(federation, sites, call)
            at = Checkpoint(0, state, self.task.prepare(ask, shared))
            save(1)
        while at.round < self.task.rounds and not self.stopping.is_over(at):
            at = self._round(federation, sites, call, at)
            save(1 + at.round)
        if not at.finished:
            at = replace(at, state=at.best or at.state)
            shared = self.task.finish(ask, at.state.weights, at.shared)
            at = replace(at, shared=shared, finished=True)
        save(steps)

    def _start(
        self, federation: Federation, sites: tuple[str, ...], call: Call
    ) -> tuple[State, Shared]:
        if federation.start:
            start = finished(self.run_folder, federation.start)
            weights = self.strategy.weights_for(start.state, federation.centres[0])
            return State(weights, {}, start.state.names), start.shared
        answers = call("initial_weights", sites[:1], seed=federation.seed)
        first = answers.all("initial_weights")[sites[0]]
        return State(first["weights"], {}, tuple(first["names"])), {}

    def _round(
        self, federation: Federation, sites: tuple[str, ...], call: Call, at: Checkpoint
    ) -> Checkpoint:
        number, started = at.round + 1, time.perf_counter()
        each = {
            site: {
                "weights": self.strategy.weights_for(at.state, site),
                "corrections": [vars(c) for c in self.strategy.corrections(at.state, site)],
            }
            for site in sites
        }
        secret = self.secure and len(sites) > 1
        idle = [site for site in sites if site not in self._begun]
        self._begun |= dict.fromkeys(idle, (number, at.state.weights))
        answers = call(
            "train", sites, each, self.strategy.enough, name=federation.name, number=number,
            shared=at.shared, who=who(federation), secret=secret,
        )  # fmt: skip
        wall = round(time.perf_counter() - started, 4)
        least = min(self.min_sites or self.strategy.enough or len(sites), len(sites))
        if secret:
            there = tuple(sorted(answers.got))
            hidden, also = secure_update(
                call, there, least, federation.name, number, at.state.weights, wall
            )
            updates, lost = [hidden], {**answers.lost, **also}
        else:
            updates, lost = self._dated(answers, at, number)
            if len(updates) < least:
                raise FlameError(f"round {number} of {federation.name}: {said(lost)}")
        at_round = {"training": federation.name, "round": number, "round_seconds": wall}
        self.latest = [
            {**at_round, "site": u.centre, "patients": u.patients, "loss": u.loss,
             "seconds": round(u.seconds, 4), "lost": ""}
            for u in updates
        ]  # fmt: skip
        self.latest += [
            {**at_round, "site": s, "patients": 0, "lost": why} for s, why in lost.items()
        ]
        at = replace(at, round=number, state=self.strategy.aggregate(at.state, updates))
        if self.validating:
            at = self._validated(federation, sites, call, at)
        return replace(at, history=[*at.history, *self.latest])

    def _dated(
        self, answers: Answers, at: Checkpoint, number: int
    ) -> tuple[list[Update], dict[str, str]]:
        """Updates with the weights that they began from, and how long ago; who is lost."""
        found, lost = _checked(answers, at.state)
        began = {site: self._begun.pop(site) for site in (*answers.got, *answers.lost)}
        dated = []
        for update in found:
            since, weights = began[update.centre]
            weights = weights if since < number else []
            dated.append(replace(update, since=weights, staleness=number - since))
        return dated, lost

    def _validated(
        self, federation: Federation, sites: tuple[str, ...], call: Call, at: Checkpoint
    ) -> Checkpoint:
        each = {site: {"weights": self.strategy.weights_for(at.state, site)} for site in sites}
        answers = call(
            "answer", sites, each, question=VALIDATION, given={}, shared=at.shared,
            calibrating=True, who=who(federation),
        )  # fmt: skip
        loss = self.stopping.loss(answers.got)
        self.latest = [{**row, "validation": loss} for row in self.latest]
        return self.stopping.after(at, loss)


def _asking(call: Call, sites: tuple[str, ...], patients: Message) -> Ask:
    def ask(
        question: str,
        given: Message,
        weights: Weights = (),  # type: ignore[assignment]
        shared: Shared | None = None,
        calibrating: bool = False,
    ) -> list[Message]:
        answers = call(
            "answer", sites, question=question, given=given, weights=list(weights),
            shared=shared or {}, calibrating=calibrating, who=patients,
        ).all(question)  # fmt: skip
        return [answers[site] for site in sites]

    return ask


def _checked(answers: Answers, state: State) -> tuple[list[Update], dict[str, str]]:
    """Updates in order of site, and why the others are lost: one may not spoil the model."""
    updates, lost = [], dict(answers.lost)
    for site, answer in sorted(answers.got.items()):
        why = _spoilt(answer, state)
        if why:
            lost[site] = why
            continue
        counts = answer["patients"], answer["loss"], answer["seconds"], answer["steps"]
        also = tuple(answer.get("also", ()))
        updates.append(Update(site, answer["weights"], *counts, also))
    return updates, lost


def _spoilt(answer: dict[str, Any], state: State) -> str:
    for weights in (answer["weights"], *answer.get("also", ())):
        if [np.shape(w) for w in weights] != [w.shape for w in state.weights]:
            return "sent weights of another shape: do versions differ?"
        if not all(np.isfinite(w).all() for w in weights) or not np.isfinite(answer["loss"]):
            return (
                "sent weights or a loss that are not finite; lower training.learning_rate and "
                "look at the site's data"
            )
    return ""

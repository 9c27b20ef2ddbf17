"""The coordinator: runs trainings round by round over whatever engine carries its calls."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flame import __version__
from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation import fedavg  # noqa: F401  (registers itself)
from flame.federation.checkpoint import (
    Checkpoint,
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from flame.federation.config import TrainConfig
from flame.federation.plan import Federation
from flame.federation.strategy import STRATEGIES, State
from flame.preprocessing.standardisation import Moments, merge

Progress = Callable[[int, int], None]


class Call(Protocol):
    """Calls ``method`` at each of ``sites`` and returns every answer, or raises FlameError."""

    def __call__(self, method: str, sites: tuple[str, ...], **arguments: Any) -> dict[str, Any]:
        """Answers by site name."""


def _nothing(done: int, total: int) -> None:
    """No progress shown."""


class Coordinator:
    """Trains every federation of a plan; what is on disk already is not trained again."""

    def __init__(
        self, config: TrainConfig, run: Path, plan: list[Federation], progress: Progress = _nothing
    ) -> None:
        self.config, self.run_folder, self.plan, self.progress = config, run, plan, progress
        self.rounds = config.training.rounds
        self.strategy = STRATEGIES[config.federation.strategy]

    def run(self, call: Call, sites: Callable[[Federation], tuple[str, ...]]) -> None:
        """Run the plan; ``sites`` says which sites hold the centres of a federation."""
        everyone = tuple(sorted({s for f in self.plan for s in sites(f)}))
        for site, answer in call("describe", everyone).items():
            if answer["version"] != __version__:
                raise FlameError(f"site {site} runs FLAME {answer['version']}, not {__version__}")
        for index, federation in enumerate(self.plan):
            self._train(federation, tuple(sorted(sites(federation))), call, index)

    def _train(
        self, federation: Federation, sites: tuple[str, ...], call: Call, index: int
    ) -> None:
        path = checkpoint_path(self.run_folder, federation.name)
        at = load_checkpoint(path) or self._start(federation, sites, call)
        while at.round < self.rounds:
            at = self._round(federation, sites, call, at)
            save_checkpoint(path, at)
            self.progress(index * self.rounds + at.round, len(self.plan) * self.rounds)
        self.progress((index + 1) * self.rounds, len(self.plan) * self.rounds)

    def _start(self, federation: Federation, sites: tuple[str, ...], call: Call) -> Checkpoint:
        first = call("initial_weights", sites[:1], seed=federation.seed)[sites[0]]
        summaries = call("summarise", sites, **_who(federation))
        moments = merge([Moments(**summaries[site]) for site in sites])
        return Checkpoint(0, State(first["weights"]), moments)

    def _round(
        self, federation: Federation, sites: tuple[str, ...], call: Call, at: Checkpoint
    ) -> Checkpoint:
        number, started = at.round + 1, time.perf_counter()
        answers = call(
            "train", sites, name=federation.name, number=number, weights=at.state.weights,
            moments=asdict(at.moments), **_who(federation),
        )  # fmt: skip
        wall = round(time.perf_counter() - started, 4)
        updates = [_checked(site, answers[site], at.state) for site in sites]
        history = [
            {
                "training": federation.name,
                "round": number,
                "site": update.centre,
                "patients": update.patients,
                "loss": update.loss,
                "seconds": round(update.seconds, 4),
                "round_seconds": wall,
            }
            for update in updates
        ]
        state = self.strategy.aggregate(at.state, updates)
        return Checkpoint(number, state, at.moments, [*at.history, *history])


def _who(federation: Federation) -> dict[str, Any]:
    fold = -1 if federation.fold is None else federation.fold
    return {
        "seed": federation.seed, "folds": federation.folds, "fold": fold,
        "centres": list(federation.centres),
    }  # fmt: skip


def _checked(site: str, answer: dict[str, Any], state: State) -> Update:
    """Return the update of a site, or refuse one that would spoil the model."""
    weights = answer["weights"]
    if [np.shape(w) for w in weights] != [w.shape for w in state.weights]:
        raise FlameError(f"site {site} sent weights of another shape: do versions differ?")
    if not all(np.isfinite(w).all() for w in weights) or not np.isfinite(answer["loss"]):
        raise FlameError(
            f"site {site} sent weights or a loss that are not finite; lower "
            "training.learning_rate and look at the site's data"
        )
    return Update(site, weights, answer["patients"], answer["loss"], answer["seconds"])

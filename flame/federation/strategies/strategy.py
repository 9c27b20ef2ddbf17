"""What an aggregation strategy is: pure functions on arrays.

A strategy is a frozen dataclass whose fields are its options. It may tell sites to train with a
``Correction``; whatever it remembers, of the federation or of each site, is in the ``State``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from flame.core.arrays import flat, mean
from flame.core.config import Section, build
from flame.core.registry import Registry
from flame.core.scores import Correction, Update, Weights


@dataclass(frozen=True, eq=False)
class State:
    """What the server carries from round to round: weights, and a strategy's own arrays.

    ``names`` says where in the network each array of the weights belongs.
    """

    weights: Weights
    memory: dict[str, Weights] = field(default_factory=dict)
    names: tuple[str, ...] = ()


class Strategy(Section):
    """Combines the updates of a round. Nothing may change its arguments.

    ``plain_gradients`` says that sites must train with SGD without momentum, as the strategy counts
    on its steps. ``personal`` says that sites have weights of their own, see ``weights_for``.
    ``mean_suffices`` says that it needs no more of the updates than their mean, ``alone_suffices``
    that a round goes on with whoever is there.
    """

    plain_gradients: ClassVar[bool] = False
    personal: ClassVar[bool] = False
    mean_suffices: ClassVar[bool] = False
    alone_suffices: ClassVar[bool] = False

    RENAMED: ClassVar[Mapping[str, str]] = {
        "liars": "num_byzantine",
        "trim": "num_trimmed",
        "strength": "lambda_",
        "rate": "server_learning_rate",
        "decay": "beta_2",
    }

    @property
    def enough(self) -> int:
        """How many sites a round waits for; 0: all of them."""
        return 0

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """The state before the first round of a training of ``sites``."""
        return state

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Return the next state from ``updates``, which come in order of centre name."""
        raise NotImplementedError

    def weights_for(self, state: State, site: str) -> Weights:
        """Weights that a site trains from, and is tested with."""
        return state.weights

    def corrections(self, state: State, site: str) -> list[Correction]:
        """How a site's gradients are changed in training; it trains once for each."""
        return [Correction()]


STRATEGIES: Registry[type[Strategy]] = Registry("strategy")


def open_strategy(name: str, options: Mapping[str, float], learning_rate: float) -> Strategy:
    """The strategy with its options; one that counts on steps is told how long sites' are."""
    kind = STRATEGIES[name]
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    given = dict(options)
    if "learning_rate" in known:
        given.setdefault("learning_rate", learning_rate)
    return build(kind, given, "federation", "options.")


def shares(updates: Sequence[Update]) -> list[float]:
    """Each site's share of the patients."""
    total = sum(u.patients for u in updates)
    return [u.patients / total for u in updates]


def change(state: State, update: Update) -> Weights:
    """How far a site moved the weights that it began from, in float64."""
    return [
        np.asarray(u, np.float64) - np.asarray(w, np.float64)
        for u, w in zip(update.weights, update.since or state.weights, strict=True)
    ]


def mean_change(state: State, updates: Sequence[Update]) -> Weights:
    """Mean of ``change`` over sites by their patients, in float64."""
    like = [np.zeros(w.shape) for w in state.weights]
    return mean([change(state, u) for u in updates], shares(updates), like)


def stacked(updates: Sequence[Update]) -> np.ndarray:
    """The weights of all sites (site, parameter) in float64."""
    return np.stack([flat(u.weights) for u in updates])

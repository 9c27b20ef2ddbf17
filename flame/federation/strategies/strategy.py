"""Interface of the aggregation strategies, and the arithmetic that they share.

A strategy combines the updates of the sites into the next weights of the server. It is a frozen
dataclass: its fields are its options, and its methods are pure functions on arrays. It can send a
``Correction`` that sites apply in training. The ``State`` holds everything that a strategy
remembers from round to round, about the federation or about each site.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from flame.core.arrays import flat, mean
from flame.core.config import Section, build
from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.core.scores import Correction, Update, Weights

WEIGHTS = "weights"
"""Name of the weights among the groups of arrays of a state; no memory may have it."""


@dataclass(frozen=True, eq=False)
class State:
    """The server's state, which it keeps from round to round.

    Args:
        weights: arrays of the global model.
        memory: arrays that the strategy remembers, by a name that it chooses.
        names: name of each array of ``weights`` in the network, such as ``dense/kernel``.

    Raises:
        BadInput: a memory is called ``weights``.
    """

    weights: Weights
    memory: dict[str, Weights] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if WEIGHTS in self.memory:
            raise BadInput(f"a strategy's memory may not be called '{WEIGHTS}'; rename it")


class Strategy(Section):
    """Combines the updates of a round into the next weights. No method changes its arguments.

    A subclass declares its options as fields, registers itself in ``STRATEGIES`` and overrides
    ``aggregate``.
    """

    plain_gradients: ClassVar[bool] = False
    """Whether sites must train with SGD without momentum, because the strategy computes with the
    number of their steps.
    """
    personal: ClassVar[bool] = False
    """Whether sites have weights of their own, see ``weights_for``."""
    mean_suffices: ClassVar[bool] = False
    """Whether the strategy needs only the mean of the updates, not each one."""
    follows_losses: ClassVar[bool] = False
    """Whether the strategy computes with the losses of sites, which are not sent under differential
    privacy.
    """
    alone_suffices: ClassVar[bool] = False
    """Whether a round continues with the update of a single site."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "liars": "num_byzantine",
        "trim": "num_trimmed",
        "strength": "lambda_",
        "rate": "server_learning_rate",
        "decay": "beta_2",
    }
    """Former names of options, each with its present name."""

    @property
    def enough(self) -> int:
        """Number of updates that a round waits for; 0: those of all sites."""
        return 0

    @property
    def least_sites(self) -> int:
        """Least number of updates that the next weights can be computed from."""
        return 1

    def check_sites(self, sites: Sequence[str]) -> None:
        """Check that the strategy works with these sites.

        Args:
            sites: names of the sites of a training, or of those that sent an update.

        Raises:
            BadInput: there are fewer than ``least_sites``.
        """
        if len(sites) < self.least_sites:
            raise BadInput(
                f"{self!r} needs {self.least_sites} sites, not {len(sites)}; a training that holds "
                "a centre out has one site less"
            )

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """Return the state before the first round of a training.

        Args:
            state: the state with the initial weights and an empty memory.
            sites: names of the sites of the training.

        Returns:
            ``state``; a subclass may fill the memory.
        """
        return state

    def warning(self, state: State) -> str:
        """Say what to know about a model that was trained with this strategy.

        Args:
            state: the state after training.

        Returns:
            The warning; empty: there is none.
        """
        return ""

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Return the state after a round.

        Args:
            state: the state before the round.
            updates: updates of the sites, in order of centre name.

        Returns:
            A new state, with the next weights and memory.

        Raises:
            NotImplementedError: a subclass does not override the method.
        """
        raise NotImplementedError

    def weights_for(self, state: State, site: str) -> Weights:
        """Return the weights that a site trains from and is tested with.

        Args:
            state: the present state.
            site: name of the site.

        Returns:
            The weights of the server; a personal strategy returns those of the site.
        """
        return state.weights

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return the corrections of a site's gradients.

        Args:
            state: the state before the round.
            site: name of the site.

        Returns:
            One correction for each training of the site in the round; by default one that changes
            nothing.
        """
        return [Correction()]


STRATEGIES: Registry[type[Strategy]] = Registry("strategy", Strategy)
"""Strategies by the name that ``federation.strategy`` selects."""


def open_strategy(name: str, options: Mapping[str, float], learning_rate: float) -> Strategy:
    """Create a strategy with its options.

    Args:
        name: name of a registered strategy.
        options: values of its options by name; the others have their defaults.
        learning_rate: learning rate of the sites. A strategy that has an option ``learning_rate``
            gets it unless ``options`` sets that option.

    Returns:
        The strategy.

    Raises:
        BadInput: the strategy or an option is unknown, or a value is out of bounds.

    Example:
        >>> open_strategy("fedprox", {"mu": 0.1}, learning_rate=0.01)
        FedProx(mu=0.1)
    """
    kind = STRATEGIES[name]
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    values = dict(options)
    if "learning_rate" in names:
        values.setdefault("learning_rate", learning_rate)
    return build(kind, values, "federation", "options.")


def shares(updates: Sequence[Update]) -> list[float]:
    """Compute each site's share of the patients.

    Args:
        updates: updates of a round.

    Returns:
        Shares in the order of ``updates``, which sum to 1.

    Example:
        >>> shares([Update("a", [], 3, 0.0, 0.0), Update("b", [], 1, 0.0, 0.0)])
        [0.75, 0.25]
    """
    total = sum(u.patients for u in updates)
    return [u.patients / total for u in updates]


def change(state: State, update: Update) -> Weights:
    """Compute the change of a site's weights in training.

    Args:
        state: the present state; training began from its weights unless the update has others.
        update: the update of the site.

    Returns:
        The trained weights minus those that training began from, in float64.
    """
    return [
        np.asarray(u, np.float64) - np.asarray(w, np.float64)
        for u, w in zip(update.weights, update.since or state.weights, strict=True)
    ]


def mean_change(state: State, updates: Sequence[Update]) -> Weights:
    """Average ``change`` over sites, weighted by their numbers of patients.

    Args:
        state: the present state.
        updates: updates of a round.

    Returns:
        The mean change in float64, in the shapes of the weights.
    """
    like = [np.zeros(w.shape) for w in state.weights]
    return mean([change(state, u) for u in updates], shares(updates), like)


def stacked(updates: Sequence[Update]) -> np.ndarray:
    """Return the weights of all sites as a matrix.

    Args:
        updates: updates of n sites, each with p parameters in all.

    Returns:
        Array (n, p) in float64: one site per row, in the order of ``updates``.
    """
    return np.stack([flat(u.weights) for u in updates])

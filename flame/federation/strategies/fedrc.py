"""Soft clusters of sites, after FedRC (Guo 2024, arXiv:2301.12379)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from flame.core.arrays import mean
from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares

_MODEL = "cluster."
"""Prefix of the models of the clusters in ``State.memory``."""
_LEAST = 0.001
"""Least share of a cluster."""
_SHARES = "shares."
"""Prefix of the shares of the clusters at each site, array (clusters,), in ``State.memory``."""


@STRATEGIES.register("fedrc")
@dataclass(frozen=True)
class FedRC(Strategy):
    """Several models; each site trains all of them and belongs to each by a share of its own.

    With loss L_ik of model k at site i, the share w_ik is proportional to
    w_ik exp(-sharpness L_ik) and at least 0.001, so that a site can leave its cluster within a few
    rounds. Model k is the mean of what sites trained, weighted by n_i w_ik, with n_i patients at
    site i. A site is tested with the model of its largest share; a centre that took no part gets
    the mean of the models, weighted by the shares of the sites of the last round.

    FedRC computes shares from each patient and divides the likelihood by how frequent an outcome
    is in a cluster. Both would need figures of single patients or outcomes at the server; here
    sites send one loss for each model, so that clusters may also follow how frequent outcomes are.

    Args:
        clusters: number of models.
        sharpness: how much a lower loss raises the share of a cluster.
        spread: initial distance of the models, as a part of the standard deviation of the initial
            weights of an array.

    Reference:
        Guo 2024, arXiv:2301.12379.

    Example:
        Site a fits the first model, b the second one; both train both.

        >>> def update(name: str, losses: tuple[float, float]) -> Update:
        ...     first, second = [np.array([1.0])], [np.array([3.0])]
        ...     return Update(name, second, 5, losses[1], 0.0, also=(first,), losses=losses)
        >>> clustered = FedRC(clusters=2)
        >>> state = clustered.begin(State([np.zeros(1)]), ("a", "b"))
        >>> after = clustered.aggregate(state, [update("a", (0.0, 9.0)), update("b", (9.0, 0.0))])
        >>> clustered.weights_for(after, "a")[0], clustered.weights_for(after, "b")[0]
        (array([1.]), array([3.]))
        >>> after.weights[0]
        array([2.])
    """

    personal = True
    follows_losses = True
    clusters: Annotated[int, Ge(2)] = 2
    sharpness: Annotated[float, Gt(0)] = 5.0
    spread: Annotated[float, Ge(0)] = 0.5

    def begin(self, state: State, sites: tuple[str, ...]) -> State:
        """Begin with models around the initial weights, and equal shares."""
        models = {f"{_MODEL}{k}": self._moved(state.weights, k) for k in range(self.clusters)}
        equal = {f"{_SHARES}{site}": [np.full(self.clusters, 1 / self.clusters)] for site in sites}
        return State(state.weights, {**state.memory, **models, **equal}, state.names)

    def _moved(self, weights: Weights, cluster: int) -> Weights:
        rng = np.random.default_rng(cluster)
        return [
            (w + self.spread * w.std() * rng.standard_normal(w.shape)).astype(w.dtype)
            for w in weights
        ]

    def weights_for(self, state: State, site: str) -> Weights:
        """Return the model of the site's largest share."""
        held = state.memory.get(f"{_SHARES}{site}")
        return state.memory[f"{_MODEL}{int(held[0].argmax())}"] if held else state.weights

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return one training for each cluster, from its model."""
        return [Correction(start=state.memory[f"{_MODEL}{k}"]) for k in range(self.clusters)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Compute the shares from the losses, then each model from the shares."""
        held = np.stack([self._shares(state, u) for u in updates])
        weights = held * np.array(shares(updates))[:, None]
        trained = [(*u.also, u.weights) for u in updates]
        models = [
            mean([each[k] for each in trained], _parts(weights[:, k]), state.weights)
            for k in range(min(map(len, trained)))
        ]
        used = [float(w) for w in _parts(weights.sum(axis=0)[: len(models)])]
        memory = {f"{_MODEL}{k}": model for k, model in enumerate(models)}
        memory |= {f"{_SHARES}{u.centre}": [row] for u, row in zip(updates, held, strict=True)}
        averaged = mean(models, used, state.weights)
        return State(averaged, {**state.memory, **memory}, state.names)

    def _shares(self, state: State, update: Update) -> NDArray[np.float64]:
        """Return the shares (clusters,) of a site."""
        before = np.asarray(state.memory[f"{_SHARES}{update.centre}"][0], np.float64)
        losses = np.array(update.losses or [0.0] * self.clusters)
        weighed = before * np.exp(-self.sharpness * (losses - losses.min()))
        held: NDArray[np.float64] = np.maximum(weighed / weighed.sum(), _LEAST)
        return np.asarray(held / held.sum())


def _parts(weights: NDArray[np.float64]) -> list[float]:
    return [float(w) for w in weights / weights.sum()]

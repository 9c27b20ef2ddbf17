"""A network that counts the gradients that it computes, so that methods can be compared by cost."""

import numpy as np

from flame.streams.networks.base import Adam, Array, Labels, Network


class Metered(Network):
    """Another network, and the number of gradients of rows that were computed with it.

    ``gradients`` counts a row once for each time that the gradient of its loss is computed.

    Args:
        network: the network.

    Example:
        Five steps on two of three rows are ten gradients.

        >>> from flame.streams.networks.mlp import MLP
        >>> network = Metered(MLP(1, 2))
        >>> start = network.start(np.random.default_rng(0))[None]
        >>> x, y, weight = np.ones((1, 3, 1)), np.array([[0, 1, 0]]), np.array([[1.0, 1.0, 0.0]])
        >>> _ = network.descend(start, x, y, weight, Adam(start.shape, 0.1), steps=5)
        >>> network.gradients
        10
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.size = network.size
        self.head = network.head
        self.classes = network.classes
        self.gradients = 0

    def start(self, rng: np.random.Generator) -> Array:
        """See ``Network``."""
        return self.network.start(rng)

    def logits(self, parameters: Array, x: Array) -> Array:
        """See ``Network``."""
        return self.network.logits(parameters, x)

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """See ``Network``."""
        self.gradients += int(np.any(pull != 0, axis=-1).sum())
        return self.network.gradient(parameters, x, pull)

    def descend(
        self, parameters: Array, x: Array, y: Labels, weight: Array, adam: Adam, steps: int
    ) -> Array:
        """See ``Network``."""
        self.gradients += steps * int((weight > 0)[adam.who].sum())
        return self.network.descend(parameters, x, y, weight, adam, steps)

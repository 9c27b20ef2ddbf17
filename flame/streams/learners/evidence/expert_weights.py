"""How far each node leans on its bank of models, and how far on one model of everything."""

import numpy as np
from scipy.special import expit

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

_BANK = np.log(3)
"""Log odds of the bank before either was tested."""


class ExpertWeights:
    """Shares (n, 2) of the bank and of the model of everything; the bank alone before ``weigh``."""

    def __init__(self, nodes: int) -> None:
        self.shares = np.tile([1.0, 0.0], (nodes, 1))
        self._right, self._seen = np.zeros((nodes, 2)), np.zeros(nodes)

    def score(self, batch: Batch, bank: Array, global_model: Array) -> None:
        """Count the rows that each (n, m, classes) told right before it learned them."""
        for number, told in enumerate((bank, global_model)):
            right = (told.argmax(axis=-1) == batch.y) * batch.weight
            self._right[:, number] += right.sum(axis=1)
        self._seen += batch.weight.sum(axis=1)

    def weigh(self) -> None:
        """Exponential weights (Cesa-Bianchi 2006) on each node's own counts."""
        rate = np.sqrt(8 * np.log(2) / np.maximum(self._seen, 1))
        more = _BANK + rate * np.subtract(*self._right.T)
        self.shares = np.stack([expit(more), expit(-more)], axis=1)

    def mixed(self, bank: Array, global_model: Array) -> Array:
        """What both tell (n, m, classes), by their shares."""
        one, other = self.shares.T[..., None, None]
        return np.asarray(one * bank + other * global_model)

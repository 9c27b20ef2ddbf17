"""Weights of the bank and of the global model in each node's predictions."""

import numpy as np
from scipy.special import expit

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

_BANK = np.log(3)
"""Log odds of the bank before any test, 3 to 1."""


class ExpertWeights:
    """Exponential weights of two experts, the bank and the global model, by correct rows.

    With r_bank and r_global correct rows out of n, the log odds of the bank are log(3) + sqrt(8
    log(2) / n) * (r_bank - r_global). Before the first ``weigh`` the bank alone counts.

    Args:
        nodes: number of nodes.

    Reference:
        Cesa-Bianchi 2006.

    Example:
        Untested experts have odds of 3 to 1.

        >>> weights = ExpertWeights(nodes=1)
        >>> weights.weigh()
        >>> weights.shares.round(2).tolist()
        [[0.75, 0.25]]
    """

    def __init__(self, nodes: int) -> None:
        self.shares = np.tile([1.0, 0.0], (nodes, 1))
        self._correct = np.zeros((nodes, 2))
        self._rows = np.zeros(nodes)

    def score(self, batch: Batch, bank: Array, global_model: Array) -> None:
        """Count the rows that each expert predicts correctly before it learns them.

        Args:
            batch: the batch.
            bank: probabilities (n, m, classes) of the bank.
            global_model: probabilities (n, m, classes) of the global model.
        """
        for expert, predicted in enumerate((bank, global_model)):
            correct = (predicted.argmax(axis=-1) == batch.y) * batch.weight
            self._correct[:, expert] += correct.sum(axis=1)
        self._rows += batch.weight.sum(axis=1)

    def weigh(self) -> None:
        """Update the shares (n, 2) by each node's own counts."""
        rate = np.sqrt(8 * np.log(2) / np.maximum(self._rows, 1))
        log_odds = _BANK + rate * np.subtract(*self._correct.T)
        self.shares = np.stack([expit(log_odds), expit(-log_odds)], axis=1)

    def mixed(self, bank: Array, global_model: Array) -> Array:
        """Mix the predictions of both experts by their shares.

        Args:
            bank: probabilities (n, m, classes) of the bank.
            global_model: probabilities (n, m, classes) of the global model.

        Returns:
            Probabilities (n, m, classes).
        """
        of_bank, of_global_model = self.shares.T[..., None, None]
        return np.asarray(of_bank * bank + of_global_model * global_model)

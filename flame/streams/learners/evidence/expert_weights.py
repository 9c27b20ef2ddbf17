"""Weights of the bank and of the global model in each node's predictions."""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from flame.streams.networks.base import Array
from flame.streams.stream import Batch

_BANK = 3
"""Odds of the bank against the other experts together before any test, 3 to 1."""


class ExpertWeights:
    """Exponential weights of experts, the bank and the global model, by correct rows.

    With r_k correct rows of expert k out of n, the log weight of an expert among K is sqrt(8 log(K)
    / n) * r_k, and log(3 (K - 1)) more for the bank. Before the first ``weigh`` the bank alone
    counts.

    Args:
        nodes: number of nodes.
        experts: number of experts; the first is the bank.

    Reference:
        Cesa-Bianchi 2006.

    Example:
        Untested experts have odds of 3 to 1.

        >>> weights = ExpertWeights(nodes=1, experts=2)
        >>> weights.weigh()
        >>> weights.shares.round(2).tolist()
        [[0.75, 0.25]]
    """

    def __init__(self, nodes: int, experts: int) -> None:
        is_bank = np.arange(experts) == 0
        self.shares: Array = np.tile(is_bank.astype(float), (nodes, 1))
        self._before = np.log(_BANK * max(1, experts - 1)) * is_bank
        self._correct = np.zeros((nodes, experts))
        self._rows = np.zeros(nodes)

    def score(self, batch: Batch, told: Sequence[Array]) -> None:
        """Count the rows that each expert predicts correctly before it learns them.

        Args:
            batch: the batch.
            told: probabilities (n, m, classes) of each expert.
        """
        for expert, predicted in enumerate(told):
            correct = (predicted.argmax(axis=-1) == batch.y) * batch.weight
            self._correct[:, expert] += correct.sum(axis=1)
        self._rows += batch.weight.sum(axis=1)

    def weigh(self) -> None:
        """Update the shares (n, experts) by each node's own counts."""
        experts = self._correct.shape[1]
        rate = np.sqrt(8 * np.log(experts) / np.maximum(self._rows, 1))
        self.shares = softmax(self._before + rate[:, None] * self._correct, axis=1)

    def mixed(self, told: Sequence[Array]) -> Array:
        """Mix the predictions of the experts by their shares.

        Args:
            told: probabilities (n, m, classes) of each expert.

        Returns:
            Probabilities (n, m, classes).
        """
        parts = [s[:, None, None] * p for s, p in zip(self.shares.T, told, strict=True)]
        return np.asarray(sum(parts))

"""Global models, which train on batches of every concept and predict beside the bank."""

import numpy as np

from flame.streams.learners.evidence.bank import Bank, BankEntry
from flame.streams.networks.base import Array

_ALL, _NEWEST = 0, 1
"""Numbers of the model of all remembered batches, and of the one of the newest batch."""


def global_models(start: Array) -> list[BankEntry]:
    """Begin a model of all remembered batches, and one that each batch teaches while it is newest.

    The first is best where the concept stays the same, and the second follows a concept that
    changes at all nodes at once. Both are as entries of a bank that every node holds, opened before
    the first step, with backbones of their own.

    Args:
        start: initial weights (n, size).

    Returns:
        The model of all batches and the model of the newest batch.
    """
    everywhere, none = np.ones(len(start), bool), np.zeros(len(start), int)
    return [
        BankEntry((-1, number), start, everywhere, none - 1 - number, none)
        for number in (_ALL, _NEWEST)
    ]


def rows_of(bank: Bank, model: BankEntry) -> Array:
    """Compute the weights with which rows train a global model.

    Args:
        bank: the bank, whose memories are the batches.
        model: one of ``global_models``.

    Returns:
        Weights (n, rows) of the last remembered rows; rows before them do not train it.
    """
    weights = bank.rows()
    newest = bank.memories[-1].batch.weight.shape[1]
    return weights[:, -newest:] if model.opened[1] == _NEWEST else weights

"""The global model, which trains on batches of every concept and predicts beside the bank."""

import numpy as np

from flame.streams.learners.evidence.bank import BankEntry
from flame.streams.networks.base import Array


def global_model(start: Array) -> BankEntry:
    """Begin a model of all remembered batches, which is best where the concept stays the same.

    It is as an entry of a bank that every node holds, opened before the first step, with a backbone
    of its own.

    Args:
        start: initial weights (n, size).

    Returns:
        The model.
    """
    everywhere, none = np.ones(len(start), bool), np.zeros(len(start), int)
    return BankEntry((-1, 0), start, everywhere, none - 1, none)

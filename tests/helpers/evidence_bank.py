"""A bank by hand, and batches of two opposite concepts."""

import numpy as np

from flame.streams.learners.evidence.bank import Bank, Memory
from flame.streams.networks.base import Adam, Array
from flame.streams.networks.mlp import MLP
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch, Stream

NETWORK = MLP(2, 20)
START = np.tile(NETWORK.start(np.random.default_rng(0)), (10, 1))
OPENED = [(0, 0), (0, 3), (1, 2), (2, 0)]


def sine(schedule: str = "A", seed: int = 0) -> Stream:
    plan = plan_of(ScheduleConfig(schedule), None, 0)
    return synthetic_stream(SyntheticConfig("sine"), plan, seed)


def taught(batch: Batch) -> Array:
    """Models that have learned a batch from the first weights."""
    return NETWORK.descend(START, batch.x, batch.y, batch.weight, Adam(START.shape, 0.02), 200)


def bank_of(*taught: int) -> Bank:
    """Batches of as many steps, of which each taught the entry that is named."""
    found, bank, rng = sine(), Bank(10), np.random.default_rng(2)
    for step, entry in enumerate(taught):
        told = rng.dirichlet([1, 1], (10, 100))
        bank.memories.append(Memory(step, found.batches[step], told, np.full(10, entry)))
    return bank


def opened(bank: Bank, *steps: int) -> Bank:
    """The bank with a model more for each step that is named, opened then, that all nodes hold."""
    rng = np.random.default_rng(3)
    remembered, bank.memories = bank.memories, []  # which name entries that are to come
    for step in steps:
        number = bank.place((step, len(bank.entries)), NETWORK.start(rng))
        bank.entries[number].held[:] = True
    bank.memories = remembered
    return bank

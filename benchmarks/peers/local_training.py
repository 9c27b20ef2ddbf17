"""A site's training in a round, with a log of times: network, data and training are FLAME's.

The scripts next to it import it, in environments of their own.
"""

import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = 64
PATIENTS = 80
"""Patients per site."""
EPOCHS = 5
BATCH = 16
LOG = "FEDERATION_LOG"
"""Environment variable with the path of the log: one line per round and site."""


def made_up_patients(sites: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw features (sites * PATIENTS, FEATURES) and outcomes; site i has each ``sites``-th row."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sites * PATIENTS, FEATURES))
    return values, (values[:, 0] + rng.normal(size=len(values)) > 0).astype(int)


def network(hidden: int) -> Any:
    """Build the network of FLAME's response model on clinical features."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, "relu", name="hidden")] if hidden else []
    last = keras.layers.Dense(1, name="logit")
    model = keras.Sequential([keras.Input((FEATURES,)), *layers, last])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    return model


class Site:
    """The patients and the network of one site."""

    def __init__(self, number: int, sites: int, hidden: int) -> None:
        values, outcome = made_up_patients(sites)
        self.x = values[number::sites].astype(np.float32)
        self.y = outcome[number::sites]
        self.number = number
        self.network = network(hidden)
        self.rounds = 0

    def learned(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Train for EPOCHS epochs, log the times, and return the new weights."""
        began = time.time()
        self.network.set_weights(weights)
        self.network.fit(self.x, self.y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        trained = [np.asarray(w) for w in self.network.get_weights()]
        self.rounds += 1
        note(site=self.number, round=self.rounds, began=began, ended=time.time())
        return trained


@lru_cache
def site_of(number: int, sites: int, hidden: int) -> Site:
    """Return the site; it is cached for the life of the process."""
    return Site(number, sites, hidden)


def note(**figures: Any) -> None:
    """Add a line to the log, with the bytes received on the loopback interface so far."""
    line = json.dumps(
        {**figures, "at": time.time(), "wire": bytes_on_loopback(), "pid": os.getpid()}
    )
    with Path(os.environ[LOG]).open("a") as stream:
        stream.write(line + "\n")


def bytes_on_loopback() -> int:
    """Return the bytes received on lo since the machine started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.strip().partition(":")
        if name == "lo":
            return int(figures.split()[0])
    raise RuntimeError("no loopback interface in /proc/net/dev")

"""What a site of a peer does in a round, and when: network, data and training are those of FLAME.

Read by the scripts beside it, in whatever environment these run.
"""

import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, PATIENTS, EPOCHS, BATCH = 64, 80, 5, 16
LOG = "FEDERATION_LOG"
"""Environment variable: the file that a line is added to for every round of every site."""


def made_up_patients(sites: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (sites * PATIENTS, FEATURES) and outcome; site i has every ``sites``-th row."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sites * PATIENTS, FEATURES))
    return values, (values[:, 0] + rng.normal(size=len(values)) > 0).astype(int)


def network(hidden: int) -> Any:
    """The network of FLAME's response model on clinical features."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, "relu", name="hidden")] if hidden else []
    last = keras.layers.Dense(1, name="logit")
    model = keras.Sequential([keras.Input((FEATURES,)), *layers, last])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    return model


class Site:
    """One site's patients and network."""

    def __init__(self, number: int, sites: int, hidden: int) -> None:
        values, outcome = made_up_patients(sites)
        self.x, self.y = values[number::sites].astype(np.float32), outcome[number::sites]
        self.number, self.network, self.rounds = number, network(hidden), 0

    def learned(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Train on every patient EPOCHS times, and note when."""
        began = time.time()
        self.network.set_weights(weights)
        self.network.fit(self.x, self.y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        found = [np.asarray(w) for w in self.network.get_weights()]
        self.rounds += 1
        note(site=self.number, round=self.rounds, began=began, ended=time.time())
        return found


@lru_cache
def site_of(number: int, sites: int, hidden: int) -> Site:
    """The site, kept as long as the process lives."""
    return Site(number, sites, hidden)


def note(**told: Any) -> None:
    """Add a line to the log, with the bytes that the loopback interface has carried so far."""
    line = json.dumps({**told, "at": time.time(), "wire": bytes_on_loopback(), "pid": os.getpid()})
    with Path(os.environ[LOG]).open("a") as stream:
        stream.write(line + "\n")


def bytes_on_loopback() -> int:
    """All that was received on lo since the machine started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.strip().partition(":")
        if name == "lo":
            return int(figures.split()[0])
    raise RuntimeError("no loopback interface in /proc/net/dev")

"""Differential privacy at a centre: what it spends, its secret noise, and its clipped updates."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from flame import __version__
from flame.core.scores import Weights
from flame.federation.config import TrainConfig
from flame.federation.privacy.budget import Budget, Spent, epsilon
from flame.models.response.gaussian_mechanism import clipped, noised, steps_of


class CentrePrivacy:
    """The protection of one centre, whose noise nobody can work out who lacks ``secret``.

    What is asked again with everything the same, patients too, has the same noise and is paid for
    once; whatever differs, it has other noise and is paid for again.
    """

    def __init__(self, config: TrainConfig, budget: Budget, secret: bytes) -> None:
        self.config, self.privacy = config, config.privacy
        self.budget, self.secret = budget, secret

    def begin(self, name: str, number: int, patients: int, told: list[Any]) -> np.random.Generator:
        """Book round ``number`` of training ``name``; the generator of its noise.

        ``told`` is all that its result depends on. Refusal where the budget is spent.
        """
        digest = hashlib.sha256(self.secret)
        _take_in(digest, [__version__, repr(self.config), name, number, told])
        key = digest.hexdigest()
        self.budget.spend(f"{name}:{number}:{key[:16]}", cost(self.config, patients))
        return np.random.default_rng(int(key, 16))

    def leaving(self, before: Weights, after: Weights, rng: np.random.Generator) -> Weights:
        """The weights that may leave: at level centre their change is clipped and has noise."""
        if self.privacy.level != "centre":
            return after
        change = [np.asarray(a, np.float64) - b for a, b in zip(after, before, strict=True)]
        change = clipped(change, self.privacy.clip)
        change = noised(change, self.privacy.noise * self.privacy.clip, rng)
        return [(b + c).astype(b.dtype) for b, c in zip(before, change, strict=True)]


def _take_in(digest: Any, told: Any) -> None:
    """Let ``digest`` depend on every value of a message, on its place, kind and shape."""
    if isinstance(told, dict):
        told = [part for name in sorted(told) for part in (name, told[name])]
    if isinstance(told, list | tuple):
        digest.update(f"[{len(told)}]".encode())
        for part in told:
            _take_in(digest, part)
    else:
        array = np.ascontiguousarray(told)
        digest.update(f"{array.dtype}{np.shape(told)}".encode() + array.tobytes())


def cost(config: TrainConfig, patients: int) -> Spent:
    """What one round with so many patients spends."""
    privacy, training = config.privacy, config.training
    if privacy.level == "centre":
        return Spent(privacy.noise, 1.0, 1)
    size = min(training.batch_size or patients, patients)
    return Spent(privacy.noise, size / patients, steps_of(patients, size, training.epochs))


def spent_table(config: TrainConfig, history: pd.DataFrame, model: str) -> pd.DataFrame:
    """Epsilon of each centre from the rounds of a run: of ``model`` alone, and of everything."""
    rows = []
    for centre in config.data.centres:
        there = history[history.site == centre]
        rounds = zip(there.training, there.patients, strict=True)
        spent = [(t, cost(config, int(n))) for t, n in rounds if n]
        rows.append(
            {
                "centre": centre,
                "level": config.privacy.level,
                "delta": config.privacy.delta,
                f"epsilon of {model}": epsilon(
                    [s for t, s in spent if t == model], config.privacy.delta
                ),
                "epsilon of all trainings": epsilon([s for _, s in spent], config.privacy.delta),
            }
        )
    return pd.DataFrame(rows)

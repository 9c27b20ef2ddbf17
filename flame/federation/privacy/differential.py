"""Differential privacy at a centre: cost of a round, secret noise and clipped updates."""

from typing import Any

import numpy as np
import pandas as pd

from flame.core.arrays import digest
from flame.core.scores import Weights
from flame.core.version import __version__
from flame.federation.config import TrainConfig
from flame.federation.privacy.budget import Budget, Spent, epsilon
from flame.models.response.gaussian_mechanism import (
    clipped,
    limit_before_rounding,
    noised,
    steps_of,
)


class CentrePrivacy:
    """Protects the updates of one centre with noise that depends on a secret of the centre.

    Identical requests on identical patients get identical noise and are charged once. Any other
    request gets other noise and is charged.

    Args:
        config: the configuration of the run.
        budget: the budget of the centre.
        secret: key of the noise, known to the centre alone.
    """

    def __init__(self, config: TrainConfig, budget: Budget, secret: bytes) -> None:
        self.config = config
        self.privacy = config.privacy
        self.budget = budget
        self.secret = secret

    def begin(
        self, name: str, number: int, patients: int, inputs: list[Any]
    ) -> np.random.Generator:
        """Charge a round to the budget and create the generator of its noise.

        The seed is the SHA-256 of the secret, the version, the configuration and all arguments.

        Args:
            name: name of the training.
            number: number of the round, from 1.
            patients: number of patients that the centre trains on.
            inputs: all that the result depends on: weights, shared arrays, corrections, patients.

        Returns:
            The generator of the noise.

        Raises:
            Refusal: epsilon would exceed the limit of the budget.
        """
        key = digest([__version__, repr(self.config), name, number, inputs], self.secret)
        self.budget.spend(f"{name}:{number}:{key[:16]}", cost(self.config, patients))
        return np.random.default_rng(int(key, 16))

    def leaving(self, before: Weights, after: Weights, rng: np.random.Generator) -> Weights:
        """Return the weights that may leave the centre.

        At level centre, with the change d = ``after`` - ``before``, these are before + d min(1,
        clip / ||d||) + discrete Gaussian noise of deviation noise * clip. At level patient the
        gradients already contain the noise, and ``after`` is returned unchanged.

        Args:
            before: weights before training.
            after: weights after training.
            rng: the generator of ``begin``.

        Returns:
            Weights in the types of ``before`` (level centre) or of ``after``.
        """
        if self.privacy.level != "centre":
            return after
        change = [np.asarray(a, np.float64) - b for a, b in zip(after, before, strict=True)]
        deviation = self.privacy.noise * self.privacy.clip
        numbers = sum(c.size for c in change)
        change = clipped(change, limit_before_rounding(self.privacy.clip, deviation, numbers))
        change = noised(change, deviation, rng)
        return [(b + c).astype(b.dtype) for b, c in zip(before, change, strict=True)]


def cost(config: TrainConfig, patients: int) -> Spent:
    """Compute the privacy cost of one round.

    Replacing one patient, or the data of the centre, changes a clipped sum by twice the clip at
    most. At level centre a round is one step of all patients. At level patient, n patients in
    batches of b take epochs * ceil(n / b) steps of b of them.

    Args:
        config: the configuration of the run.
        patients: number of patients that the centre trains on.

    Returns:
        The steps of the round.

    Example:
        >>> from flame.federation.sections import DataConfig, PrivacyConfig, TrainingConfig
        >>> data, privacy = DataConfig(table="cohort.csv"), PrivacyConfig(level="patient")
        >>> config = TrainConfig(data, training=TrainingConfig(batch_size=5), privacy=privacy)
        >>> cost(config, patients=20)
        Spent(noise=0.5, steps=4, size=5, patients=20)
    """
    privacy = config.privacy
    training = config.training
    if privacy.level == "centre":
        return Spent(privacy.noise / 2, 1)
    size = min(training.batch_size or patients, patients)
    steps = steps_of(patients, size, training.epochs)
    return Spent(privacy.noise / 2, steps, size, patients)


def spent_table(config: TrainConfig, history: pd.DataFrame, model: str) -> pd.DataFrame:
    """Compute the epsilon of each centre from the rounds of a run.

    Args:
        config: the configuration of the run.
        history: history of the run with the columns ``site``, ``training`` and ``patients``.
        model: name of one training, whose epsilon has a column of its own.

    Returns:
        A table with one row per centre: ``centre``, ``level``, ``delta``, ``epsilon of MODEL`` and
        ``epsilon of all trainings``.
    """
    rows = []
    for centre in config.data.centres:
        of_centre = history[history.site == centre]
        rounds = zip(of_centre.training, of_centre.patients, strict=True)
        spent = [
            (training, cost(config, int(patients))) for training, patients in rounds if patients
        ]
        rows.append(
            {
                "centre": centre,
                "level": config.privacy.level,
                "delta": config.privacy.delta,
                f"epsilon of {model}": epsilon(
                    [steps for training, steps in spent if training == model], config.privacy.delta
                ),
                "epsilon of all trainings": epsilon(
                    [steps for _, steps in spent], config.privacy.delta
                ),
            }
        )
    return pd.DataFrame(rows)

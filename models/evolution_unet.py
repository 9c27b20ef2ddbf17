"""Learned forecasts: a U-Net modulated by radiotherapy and time, alone or correcting mechanics.

The network adds to a prior logit and starts at zero, so that before training it is the prior: the
last mask for the U-Net alone, the mechanistic forecast for the hybrid.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.core.scores import Weights
from flame.core.treatment import Radiation
from flame.models.evolution import (
    EVOLUTION_MODELS,
    LEAST_ML,
    EvolutionCase,
    Forecast,
    VolumeErrors,
    signed_distance,
)
from flame.models.initial_weights import initial_weights
from flame.models.mechanistic import Mechanistic
from flame.models.radiobiology import bed, weighted_dose
from flame.models.segmentation import masked_loss
from flame.models.unet import unet

Volume = NDArray[np.float32]

CHANNELS = ("tumour", "distance", "growth", "T1C", "FLAIR", "dose", "white", "prior")
NUMBERS = 3 + len(Radiation) + 2
_FAR_MM, _LOGIT = 20.0, 4.0


def channels(case: EvolutionCase, prior: Volume) -> Volume:
    """What the network sees (x, y, z, channel); ``prior`` is a logit."""
    distance = np.clip(signed_distance(case.tumour, case.spacing) / _FAR_MM, -1, 1)
    growth = np.zeros_like(distance)
    if case.earlier is not None and case.earlier[1].any():
        before = np.clip(signed_distance(case.earlier[1], case.spacing) / _FAR_MM, -1, 1)
        growth = (distance - before) * 30 / (case.day - case.earlier[0])
    images = np.clip(case.images, -4, 4)
    parts = [case.tumour, distance, growth, images[..., 0], images[..., 1], case.dose / 60,
             case.white, prior / _LOGIT]  # fmt: skip
    return np.stack([np.asarray(p, np.float32) for p in parts], axis=-1)


def numbers(case: EvolutionCase, day: int) -> Volume:
    """Time, size and radiotherapy: what modulates the network."""
    doses = dict.fromkeys(Radiation, 0.0)
    for phase in case.treatment.phases:
        doses[phase.radiation] += weighted_dose(phase)
    total = sum(doses.values())
    size = np.log(max(case.ml(case.tumour), LEAST_ML)) / 4
    return np.array(
        [(day - case.day) / 100, day / 100, size, *(d / total for d in doses.values()),
         bed(case.treatment) / 100, total / 60], np.float32,
    )  # fmt: skip


def corrected_loss(known: Any, added: Any) -> Any:
    """Loss of the prior logit, which comes beside the mask, plus what the network adds."""
    return masked_loss(known[..., :1], added + known[..., 1:])


@EVOLUTION_MODELS.register("U-Net")
class LearnedEvolution:
    """Corrects the last mask; ``steps`` batches of ``batch_size`` follow-ups are learned."""

    def __init__(
        self, steps: int = 300, batch_size: int = 4, filters: int = 8, seed: int = 0
    ) -> None:
        self.steps, self.batch_size, self.seed = steps, batch_size, seed
        self.network: Any = unet(len(CHANNELS), 1, filters, levels=3, condition=NUMBERS)
        self.optimizer = keras.optimizers.AdamW(2e-3, clipnorm=1.0)
        self.network.compile(self.optimizer, corrected_loss, jit_compile=False)
        self.weights: Weights = initial_weights(self.network, seed)
        self.errors = VolumeErrors()

    def prepare(self, cases: list[EvolutionCase]) -> None:
        """Learn the prior."""

    def prior(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Volume]:
        """Logits of the last mask, the less certain the later."""
        distance = signed_distance(case.tumour, case.spacing)
        widths = [1.0 + (day - case.day) / 50 for day in days]
        return [np.clip(distance / w, -_LOGIT, _LOGIT) for w in widths]

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn the prior, then the correction, then how far volumes are off."""
        self.prepare(cases)
        rows = [
            (channels(c, prior), numbers(c, day), mask[..., None].astype(np.float32), prior)
            for c in cases
            for (day, mask), prior in zip(
                c.later, self.prior(c, tuple(d for d, _ in c.later)), strict=True
            )
        ]
        self._train(rows)
        errors, elapsed = [], []
        for case in cases:
            found = self._probabilities(case, tuple(d for d, _ in case.later))
            for (day, mask), p in zip(case.later, found, strict=True):
                expected = max(self._ml(case, p), LEAST_ML)
                errors.append(np.log(max(case.ml(mask), LEAST_ML) / expected))
                elapsed.append(day - case.day)
        self.errors.fit(np.array(errors), np.array(elapsed, float))

    def _train(self, rows: list[tuple[Volume, Volume, Volume, Volume]]) -> None:
        rng = np.random.default_rng(self.seed)
        self.network.set_weights(self.weights)
        for step in range(self.steps):
            self.optimizer.learning_rate = 1e-3 * (1 + np.cos(np.pi * step / self.steps))
            batch = [rows[i] for i in rng.integers(len(rows), size=self.batch_size)]
            flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
            image, number, mask, prior = (np.stack(a) for a in zip(*batch, strict=True))
            known = np.concatenate([mask[:, flip], prior[:, flip, ..., None]], axis=-1)
            loss = float(self.network.train_on_batch([image[:, flip], number], known))
            if not np.isfinite(loss):
                raise FlameError(f"training diverged at step {step + 1}")
        self.weights = [np.asarray(w) for w in self.network.get_weights()]

    def _probabilities(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Volume]:
        return self._corrected(case, days, self.prior(case, days))

    def _corrected(
        self, case: EvolutionCase, days: tuple[int, ...], priors: list[Volume]
    ) -> list[Volume]:
        self.network.set_weights(self.weights)
        image = np.stack([channels(case, p) for p in priors])
        number = np.stack([numbers(case, day) for day in days])
        added = np.asarray(self.network.predict_on_batch([image, number]))[..., 0]
        logits = added + np.stack(priors)
        return list((1 / (1 + np.exp(-logits))).astype(np.float32))

    def _ml(self, case: EvolutionCase, probability: Volume) -> float:
        return case.ml(probability >= 0.5)

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day."""
        found = []
        for day, p in zip(days, self._probabilities(case, days), strict=True):
            samples = self.errors.samples(max(self._ml(case, p), LEAST_ML), day - case.day)
            found.append(Forecast(day, p, samples))
        return found


@EVOLUTION_MODELS.register("hybrid")
class Hybrid(LearnedEvolution):
    """Corrects the mechanistic forecast, whose spread of volumes it keeps."""

    def __init__(
        self, steps: int = 300, batch_size: int = 4, filters: int = 8, seed: int = 0
    ) -> None:
        super().__init__(steps, batch_size, filters, seed)
        self.mechanistic = Mechanistic()

    def prepare(self, cases: list[EvolutionCase]) -> None:
        """Learn the mechanistic mixture."""
        self.mechanistic.fit(cases)

    def prior(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Volume]:
        """Logits of the mechanistic forecast."""
        return [_prior_logit(f) for f in self.mechanistic.forecast(case, days)]

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day."""
        mechanics = self.mechanistic.forecast(case, days)
        corrected = self._corrected(case, days, [_prior_logit(f) for f in mechanics])
        found = []
        for forecast, p in zip(mechanics, corrected, strict=True):
            before = max(float(np.median(forecast.volumes)), LEAST_ML)
            ratio = max(self._ml(case, p), LEAST_ML) / before
            found.append(Forecast(forecast.day, p, forecast.volumes * ratio))
        return found


def _prior_logit(forecast: Forecast) -> Volume:
    p = np.clip(forecast.probability, 1e-3, 1 - 1e-3)
    return np.asarray(np.clip(np.log(p / (1 - p)), -_LOGIT, _LOGIT), np.float32)

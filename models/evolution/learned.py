"""Learned forecasts: a U-Net modulated by numbers, alone or correcting the mechanistic forecast.

The network adds to a prior logit and starts at zero, so that before training it is the prior. Alone
it sees the radiotherapy: the RBE-weighted dose map, the share of each radiation and the BED. In the
hybrid the mechanistic forecast carries the radiotherapy and the network sees none of it: what it
learns of a patient holds for every course, so that it cannot invent an effect of a radiation from
the centres that happen to give it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from flame.core.errors import FlameError
from flame.core.keras_import import keras
from flame.core.scores import Correction, Weights
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.clinical.radiobiology import weighted_dose
from flame.models.evolution.mechanistic import Mechanistic, drawn_volumes
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    LEVELS,
    EvolutionCase,
    EvolutionConfig,
    Forecast,
    Samples,
    signed_distance,
    soft_voxels,
    volumes_of,
)
from flame.models.response.inputs import treatment_vector
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.local_optimizer import LocalOptimizer
from flame.models.segmentation.segmentation import masked_loss
from flame.models.segmentation.unet import unet

Volume = NDArray[np.float32]

REFERENCE = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))
"""The course under which a hybrid's network sees the mechanistic forecast, whatever is given."""
_FAR_MM, _LOGIT, _LARGEST = 20.0, 4.0, 6.0
_USUAL_GROWTH = np.log([0.05, 0.02])
"""Of D in mm2/day and rho in 1/day."""
_MOST = 3.0
"""Largest effect of a course on the logit."""
_NETWORK_ERROR = 0.2
"""Log volume by which the network itself is off, beside the course of the disease."""
_FEW = 30.0
"""Voxels by which the Dice of what has changed is kept from turning on a handful."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network sees of a patient and a day.

    ``image`` (x, y, z, channel) and ``numbers`` go in; ``prior`` (x, y, z) is the logit that the
    network's answer is added to. ``spread`` are cube roots of the prior's volumes about their
    median: a network knows where the edge will be, and not how unsure the course of the disease is.
    ``effect`` is how much of the prior comes from the course given instead of the usual one, and
    ``ratio`` how it changes the volume.
    """

    image: Volume
    numbers: Volume
    prior: Volume
    spread: Samples
    effect: np.float32 = np.float32(0)
    ratio: float = 1.0


def anatomy(case: EvolutionCase) -> list[NDArray[Any]]:
    """Tumour, how it grew, images and white matter."""
    distance = np.clip(signed_distance(case.tumour, case.spacing) / _FAR_MM, -1, 1)
    growth = np.zeros_like(distance)
    if case.earlier is not None and case.earlier[1].any():
        before = np.clip(signed_distance(case.earlier[1], case.spacing) / _FAR_MM, -1, 1)
        growth = (distance - before) * 30 / (case.day - case.earlier[0])
    images = np.clip(case.images, -4, 4)
    return [case.tumour, distance, growth, images[..., 0], images[..., 1], case.white]


def patient(case: EvolutionCase, day: int) -> list[float]:
    """Time in units of 100 days, size and MGMT promoter methylation (0 where unknown)."""
    size = case.log_ml(case.tumour) / 4
    methylated = 0.0 if np.isnan(case.methylated) else 2 * case.methylated - 1
    return [(day - case.day) / 100, day / 100, size, methylated]


def radiotherapy(treatment: Treatment) -> list[float]:
    """Share of each radiation in the RBE-weighted dose, BED / 100 Gy and dose / 60 Gy."""
    total = sum(weighted_dose(phase) for phase in treatment.phases)
    return [*map(float, treatment_vector(treatment)), total / 60]


def corrected_loss(known: Any, added: Any) -> Any:
    """Loss of a prior logit plus what the network ``added``.

    ``known`` holds the mask, the prior and the tumour before. To cross-entropy and Dice of the mask
    comes the soft Dice of what has changed since, without which stable parts outweigh it.
    """
    mask, prior, before = known[..., :1], known[..., 1:2], known[..., 2:]
    p = keras.ops.sigmoid(added + prior)
    expected, changed = (before * (1 - m) + (1 - before) * m for m in (p, mask))
    each = (1, 2, 3, 4)
    overlap = 2 * keras.ops.sum(expected * changed, each) + _FEW
    total = keras.ops.sum(expected, each) + keras.ops.sum(changed, each) + _FEW
    return masked_loss(mask, added + prior) + keras.ops.mean(1 - overlap / total)


class LearnedEvolution(ABC):
    """A prior and a network that corrects it; ``steps`` batches of ``batch_size`` are learned."""

    channels: int
    numbers: int

    def __init__(
        self,
        steps: int = EvolutionConfig.steps,
        batch_size: int = EvolutionConfig.batch_size,
        filters: int = EvolutionConfig.filters,
        seed: int = 0,
    ) -> None:
        self.steps, self.batch_size, self.seed = steps, batch_size, seed
        self.network: Any = unet(self.channels, 1, filters, levels=3, condition=self.numbers)
        self.optimizer = keras.optimizers.AdamW(2e-3, clipnorm=1.0)
        self.network.compile(self.optimizer, corrected_loss, jit_compile=False)
        self._local = LocalOptimizer(self.network)
        self.weights: Weights = initial_weights(self.network, seed)

    @abstractmethod
    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """What the network sees on each of ``days``."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn from the cases of one or several centres."""
        rng = np.random.default_rng(self.seed)
        self.train(self.examples(cases), self.steps, (0.0, 1.0), rng)

    def examples(self, cases: list[EvolutionCase]) -> list[tuple[Seen, Volume]]:
        """What there is to learn from: every later day and its mask."""
        return [
            (seen, mask[..., None].astype(np.float32))
            for case in cases
            for seen, (_, mask) in zip(
                self.seen(case, tuple(d for d, _ in case.later)), case.later, strict=True
            )
        ]

    def train(
        self,
        examples: list[tuple[Seen, Volume]],
        steps: int,
        part: tuple[float, float],
        rng: np.random.Generator,
        correction: Correction | None = None,
    ) -> float:
        """Train ``steps`` batches and return the mean loss.

        The learning rate falls along the ``part`` of a cosine; the optimiser starts fresh.
        """
        self._local.restart(self.weights, correction)
        losses = []
        for rate in 1e-3 * (1 + np.cos(np.pi * np.linspace(*part, steps, endpoint=False))):
            self.optimizer.learning_rate = float(rate)
            chosen = [examples[i] for i in rng.integers(len(examples), size=self.batch_size)]
            flips = tuple(slice(None, None, -1 if f else 1) for f in rng.random(3) < 0.5)
            image = np.stack([seen.image[flips] for seen, _ in chosen])
            numbers = np.stack([seen.numbers for seen, _ in chosen])
            known = np.stack(
                [
                    np.concatenate([m, s.prior[..., None], s.image[..., :1]], axis=-1)[flips]
                    for s, m in chosen
                ]
            )
            losses.append(float(self.network.train_on_batch([image, numbers], known)))
            if not np.isfinite(losses[-1]):
                raise FlameError(f"training diverged at step {len(losses)}")
        self.weights = [np.asarray(w) for w in self.network.get_weights()]
        return float(np.mean(losses)) if losses else 0.0

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day; its volumes spread about that of the mask as the prior's do."""
        self.network.set_weights(self.weights)
        seen = self.seen(case, days)
        arrays = [np.stack([s.image for s in seen]), np.stack([s.numbers for s in seen])]
        added = np.asarray(self.network.predict_on_batch(arrays))[..., 0]
        found = []
        for day, one, correction in zip(days, seen, added, strict=True):
            usual = correction + (one.prior - one.effect)
            p = expit(usual + shift(usual, one.ratio * soft_voxels(expit(usual))))
            ml = max(soft_voxels(p) * case.voxel_ml, LEAST_ML)
            found.append(Forecast(day, p, spread_around(ml, one.spread)))
        return found


def _about_the_median(volumes: Samples) -> Samples:
    """Cube roots of volumes about their median.

    They move as the edge of a tumour does. Logarithms would carry the spread of a tumour that is
    about to vanish over to one that is not.
    """
    roots = np.cbrt(volumes)
    return np.asarray(roots - np.median(roots))


def spread_around(ml: float, spread: Samples) -> Samples:
    """Equally likely volumes about ``ml``: ``spread``, and how far a network is off."""
    own = _NETWORK_ERROR / 3 * np.cbrt(ml) * ndtri(LEVELS)
    return np.asarray(np.maximum(np.cbrt(ml) + np.sign(own) * np.hypot(spread, own), 0) ** 3)


def _stacked(parts: Sequence[NDArray[Any]]) -> Volume:
    return np.stack([np.asarray(p, np.float32) for p in parts], axis=-1)


@EVOLUTION_MODELS.register("U-Net")
class UNetEvolution(LearnedEvolution):
    """Corrects the last mask, from all that is known of patient and radiotherapy."""

    channels, numbers = 8, 4 + len(Radiation) + 2

    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """The prior is the last mask, the less certain the later."""
        distance, fixed = signed_distance(case.tumour, case.spacing), anatomy(case)
        course, found = radiotherapy(case.treatment), []
        for day in days:
            prior = np.clip(distance / (1.0 + (day - case.day) / 50), -_LOGIT, _LOGIT)
            image = _stacked([*fixed, prior / _LOGIT, case.dose / 60])
            numbers = np.array([*patient(case, day), *course], np.float32)
            spread = _about_the_median(volumes_of(expit(prior), case.spacing))
            found.append(Seen(image, numbers, prior, spread))
        return found


@EVOLUTION_MODELS.register("hybrid")
class Hybrid(LearnedEvolution):
    """Corrects the mechanistic forecast from all that is known of the patient."""

    channels, numbers = 7, 6

    def __init__(
        self,
        steps: int = EvolutionConfig.steps,
        batch_size: int = EvolutionConfig.batch_size,
        filters: int = EvolutionConfig.filters,
        seed: int = 0,
    ) -> None:
        super().__init__(steps, batch_size, filters, seed)
        self.mechanistic = Mechanistic()

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn the mechanistic mixture, then its correction."""
        self.mechanistic.fit(cases)
        super().fit(cases)

    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """The network sees the mechanistic forecast of REFERENCE; the course given shifts it."""
        dose = np.full_like(case.dose, REFERENCE.phases[0].dose)
        reference = replace(case, treatment=REFERENCE, dose=dose)
        weights, sets = self.mechanistic.likely_sets(case)
        courses = (self.mechanistic.densities(c, sets, days) for c in (reference, case))
        growth = self.mechanistic.growth_before(case) - _USUAL_GROWTH
        fixed, least, found = anatomy(case), LEAST_ML / case.voxel_ml, []
        for day, by_set, given in zip(days, *courses, strict=True):
            usual, density = (np.tensordot(weights, np.array(d), axes=1) for d in (by_set, given))
            # Weights that sum to 1 and a rounding error would have no logit.
            prior = logit(np.clip(usual, 0, 1)).clip(-_LARGEST, _LARGEST).astype(np.float32)
            numbers = np.array([*patient(case, day), *growth], np.float32)
            there = soft_voxels(density)
            effect, ratio = shift(prior, there), (there + least) / (soft_voxels(usual) + least)
            spread = _about_the_median(drawn_volumes(case, weights, given))
            image = _stacked([*fixed, prior / _LOGIT])
            found.append(Seen(image, numbers, prior + effect, spread, effect, ratio))
        return found


def shift(prior: Volume, wanted: float) -> np.float32:
    """What to add to a logit ``prior`` for ``wanted`` voxels to be inside, one number for all."""

    def excess(added: float) -> float:
        return soft_voxels(expit(prior + added)) - wanted

    if excess(0.0) == 0:
        return np.float32(0)
    if excess(-_MOST) >= 0 or excess(_MOST) <= 0:
        return np.float32(np.copysign(_MOST, -excess(0.0)))
    return np.float32(brentq(excess, -_MOST, _MOST, xtol=1e-4))

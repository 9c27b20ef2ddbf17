"""Learned forecasts: a U-Net alone, or a U-Net that corrects the mechanistic forecast.

The network's output is added to a prior logit and starts at zero, so an untrained network returns
the prior. The U-Net alone takes the radiotherapy as input: the RBE-weighted dose map, the share of
each radiation and the BED. In the hybrid, only the mechanistic forecast depends on the
radiotherapy. The hybrid's network does not see the course, so it cannot mistake differences between
centres for the effect of the radiation that they use.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from flame.core.errors import BadInput, FlameError
from flame.core.keras_import import keras
from flame.core.scores import Correction, Weights
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.config import EvolutionConfig
from flame.models.evolution.mechanistic import Mechanistic, drawn_volumes
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    LEVELS,
    EvolutionCase,
    Forecast,
    Samples,
    agreeing,
    signed_distance,
    soft_voxels,
    volumes_of,
)
from flame.models.response.inputs import treatment_vector
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.local_optimizer import LocalOptimizer
from flame.models.segmentation.segmentation import masked_loss
from flame.models.segmentation.unet import unet
from flame.physics.radiobiology import weighted_dose

Volume = NDArray[np.float32]

REFERENCE = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))
"""Course for which the hybrid's network sees the mechanistic forecast, whatever the treatment."""
_FAR_MM = 20.0
"""Largest distance in mm to the tumour surface in an input channel; the channel is scaled to 1."""
_LOGIT = 4.0
"""Divisor of the prior logit in an input channel, and its largest size in the U-Net alone."""
_LARGEST = 6.0
"""Largest size of the hybrid's prior logit."""
_USUAL_GROWTH = np.log([0.05, 0.02])
"""Logs of a typical D in mm2/day and rho in 1/day, subtracted to centre the input."""
_MOST = 3.0
"""Largest shift of the logit in either direction."""
_NETWORK_ERROR = 0.2
"""Standard deviation of the network's error in log volume, in addition to that of the prior."""
_FEW = 30.0
"""Number of voxels added to numerator and denominator of the Dice of changed voxels, so that a few
voxels cannot dominate it.
"""


@dataclass(frozen=True, eq=False)
class Seen:
    """Input of the network for one patient and one day, with the prior of the forecast.

    Args:
        image: input channels (x, y, z, channel).
        numbers: conditioning inputs (number,).
        prior: logit (x, y, z) to which the network's output is added.
        volumes: equally likely volumes (s,) of the prior in ml.
        effect: number that the course of the case adds to the prior logit under REFERENCE.
    """

    image: Volume
    numbers: Volume
    prior: Volume
    volumes: Samples
    effect: np.float32 = np.float32(0)


def anatomy(case: EvolutionCase) -> list[NDArray[Any]]:
    """Build the image channels that do not depend on the day.

    Args:
        case: patient.

    Returns:
        Six arrays (x, y, z): tumour mask, signed distance to its surface (limited to 20 mm, scaled
        to 1), its change in 30 days (0 without an earlier mask), T1C, FLAIR, white matter.
    """
    distance = np.clip(signed_distance(case.tumour, case.spacing) / _FAR_MM, -1, 1)
    growth = np.zeros_like(distance)
    if case.earlier is not None:
        before = np.clip(signed_distance(case.earlier[1], case.spacing) / _FAR_MM, -1, 1)
        growth = (distance - before) * 30 / (case.day - case.earlier[0])
    images = np.clip(case.images, -4, 4)
    return [case.tumour, distance, growth, images[..., 0], images[..., 1], case.white]


def patient(case: EvolutionCase, day: int) -> list[float]:
    """Compute the conditioning inputs that describe patient and day.

    Args:
        case: patient.
        day: day to forecast, from the start of radiotherapy.

    Returns:
        Time since baseline and since the start of radiotherapy (both in 100 days), log volume / 4,
        and MGMT promoter methylation (1, -1, or 0 where unknown).
    """
    size = case.log_ml(case.tumour) / 4
    methylated = 0.0 if np.isnan(case.methylated) else 2 * case.methylated - 1
    return [(day - case.day) / 100, day / 100, size, methylated]


def radiotherapy(treatment: Treatment) -> list[float]:
    """Compute the conditioning inputs that describe the course of radiotherapy.

    Args:
        treatment: course of radiotherapy.

    Returns:
        Shares of photons, protons and carbon ions in the RBE-weighted dose, BED / 100 Gy, and dose
        / 60 Gy.

    Example:
        >>> [round(value, 6) for value in radiotherapy(REFERENCE)]
        [1.0, 0.0, 0.0, 0.75, 1.0]
    """
    total = sum(weighted_dose(phase) for phase in treatment.phases)
    return [*map(float, treatment_vector(treatment)), total / 60]


def corrected_loss(known: Any, added: Any) -> Any:
    """Compute the loss of the prior logit plus the network's output.

    It is the cross-entropy and soft Dice loss of the mask, plus the soft Dice loss of the voxels
    that changed since baseline. Without the last term, unchanged voxels would dominate.

    Args:
        known: mask, prior logit and baseline mask (n, x, y, z, 3).
        added: output of the network (n, x, y, z, 1).

    Returns:
        Scalar loss.

    Example:
        >>> known = np.array([1.0, 20.0, 1.0], np.float32).reshape(1, 1, 1, 1, 3)
        >>> round(float(corrected_loss(known, np.zeros((1, 1, 1, 1, 1), np.float32))), 4)
        0.0
    """
    mask = known[..., :1]
    prior = known[..., 1:2]
    before = known[..., 2:]
    p = keras.ops.sigmoid(added + prior)
    expected = before * (1 - p) + (1 - before) * p
    changed = before * (1 - mask) + (1 - before) * mask
    axes = (1, 2, 3, 4)
    overlap = 2 * keras.ops.sum(expected * changed, axes) + _FEW
    total = keras.ops.sum(expected, axes) + keras.ops.sum(changed, axes) + _FEW
    return masked_loss(mask, added + prior) + keras.ops.mean(1 - overlap / total)


class LearnedEvolution(ABC):
    """Base of the learned models: a prior logit and a network that corrects it.

    The forecast is sigmoid(prior + output of the network), see ``corrected``.

    Args:
        steps: number of batches over the whole training.
        batch_size: number of patients per batch.
        filters: number of filters of the first convolution.
        seed: seed of the initial weights and of ``fit``.
    """

    channels: int
    """Number of image channels."""
    numbers: int
    """Number of conditioning inputs."""

    def __init__(
        self,
        steps: int = EvolutionConfig.steps,
        batch_size: int = EvolutionConfig.batch_size,
        filters: int = EvolutionConfig.filters,
        seed: int = 0,
    ) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.seed = seed
        self.network: Any = unet(self.channels, 1, filters, levels=3, condition=self.numbers)
        self.optimizer = keras.optimizers.AdamW(2e-3, clipnorm=1.0)
        self.network.compile(self.optimizer, corrected_loss, jit_compile=False)
        self._local = LocalOptimizer(self.network)
        self.weights: Weights = initial_weights(self.network, seed)

    @abstractmethod
    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """Build the network's input.

        Args:
            case: patient.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            Input for each day.
        """

    def fit(self, cases: list[EvolutionCase]) -> None:
        """See ``EvolutionModel``."""
        rng = np.random.default_rng(self.seed)
        self.train(self.examples(cases), self.steps, (0.0, 1.0), rng)

    def examples(self, cases: list[EvolutionCase]) -> list[tuple[Seen, Volume]]:
        """Build the training examples: one for each later mask.

        Args:
            cases: cases with later masks.

        Returns:
            Pairs of the network's input and the mask (x, y, z, 1).
        """
        examples = []
        for case in cases:
            inputs = self.seen(case, tuple(day for day, _ in case.later))
            for seen, (_, mask) in zip(inputs, case.later, strict=True):
                examples.append((seen, mask[..., None].astype(np.float32)))
        return examples

    def train(
        self,
        examples: list[tuple[Seen, Volume]],
        steps: int,
        part: tuple[float, float],
        rng: np.random.Generator,
        correction: Correction | None = None,
    ) -> float:
        """Train the weights for a number of batches; the optimiser starts from its initial state.

        Args:
            examples: inputs and masks, drawn at random.
            steps: number of batches.
            part: section of the cosine decay of the learning rate, from 0 (start of training) to 1
                (end).
            rng: random numbers of batches and of reflections.
            correction: correction of gradients; None: none.

        Returns:
            Mean loss over batches; 0 without any batch.

        Raises:
            FlameError: the loss is not finite.
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
                raise FlameError(
                    f"training of the evolution model diverged at step {len(losses)}: the loss is "
                    "not finite"
                )
        self.weights = [np.asarray(w) for w in self.network.get_weights()]
        return float(np.mean(losses)) if losses else 0.0

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """Forecast the tumour under the treatment of the case.

        Args:
            case: patient with the treatment to forecast.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            One forecast for each day.
        """
        self.network.set_weights(self.weights)
        inputs = self.seen(case, days)
        arrays = [np.stack([s.image for s in inputs]), np.stack([s.numbers for s in inputs])]
        added = np.asarray(self.network.predict_on_batch(arrays))[..., 0]
        return [
            Forecast(day, *self.corrected(seen, output, case.voxel_ml))
            for day, seen, output in zip(days, inputs, added, strict=True)
        ]

    @abstractmethod
    def corrected(self, seen: Seen, output: Volume, voxel_ml: float) -> tuple[Volume, Samples]:
        """Combine the prior and the output of the network.

        Args:
            seen: input of the network.
            output: its output (x, y, z).
            voxel_ml: volume of a voxel in ml.

        Returns:
            Probability (x, y, z) that a voxel is tumour, and equally likely volumes (40,) in ml.
        """


def _about_the_median(volumes: Samples) -> Samples:
    """Return cube roots of volumes minus their median.

    Cube roots scale with the radius of the tumour. Logarithms would transfer the wide spread of a
    tumour that is about to vanish to a tumour that is not.
    """
    roots = np.cbrt(volumes)
    return np.asarray(roots - np.median(roots))


def spread_around(ml: float, spread: Samples) -> Samples:
    """Compute equally likely volumes about a prediction, on the scale of cube roots.

    The deviations a of the prior and b of the network combine as sqrt(a^2 + b^2).

    Args:
        ml: predicted volume in ml.
        spread: deviations (40,) of the prior's cube roots from their median, for each of LEVELS.

    Returns:
        Volumes (40,) in ml, not below 0.

    Example:
        >>> volumes = spread_around(8.0, np.zeros(40))
        >>> round(float(volumes[19] * volumes[20]), 1)  # symmetric about the cube root of 8
        64.0
    """
    network = _NETWORK_ERROR / 3 * np.cbrt(ml) * ndtri(LEVELS)
    deviation = np.sign(network) * np.hypot(spread, network)
    return np.asarray(np.maximum(np.cbrt(ml) + deviation, 0) ** 3)


def _stacked(parts: Sequence[NDArray[Any]]) -> Volume:
    """Stack arrays (x, y, z) as channels (x, y, z, channel)."""
    return np.stack([np.asarray(p, np.float32) for p in parts], axis=-1)


@EVOLUTION_MODELS.register("U-Net")
class UNetEvolution(LearnedEvolution):
    """U-Net that corrects the baseline mask, from all inputs about patient and radiotherapy.

    The prior logit is distance / (1 + t / 50), limited to 4 in either direction. The distance is
    the signed distance to the baseline contour in mm, and t is the number of days since baseline.
    The arguments are those of ``LearnedEvolution``.

    Example:
        >>> UNetEvolution.channels, UNetEvolution.numbers
        (8, 9)
    """

    channels = 8
    numbers = 4 + len(Radiation) + 2

    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """Build the network's input; the prior is the baseline mask, less certain with time.

        Args:
            case: patient.
            days: days from the start of radiotherapy.

        Returns:
            Input for each day.

        Raises:
            BadInput: the plan or the dose is unknown.
        """
        distance = signed_distance(case.tumour, case.spacing)
        fixed = anatomy(case)
        if case.treatment is None or case.dose is None:
            raise BadInput(f"{case.pseudonym} has no plan or no dose, which the U-Net reads")
        course = radiotherapy(case.treatment)
        inputs = []
        for day in days:
            prior = np.clip(distance / (1.0 + (day - case.day) / 50), -_LOGIT, _LOGIT)
            image = _stacked([*fixed, prior / _LOGIT, case.dose / 60])
            numbers = np.array([*patient(case, day), *course], np.float32)
            inputs.append(Seen(image, numbers, prior, volumes_of(expit(prior), case.spacing)))
        return inputs

    def corrected(self, seen: Seen, output: Volume, voxel_ml: float) -> tuple[Volume, Samples]:
        """See ``LearnedEvolution``; volumes spread about that of the mask as those of the prior."""
        p = np.asarray(expit(seen.prior + output))
        ml = max(soft_voxels(p) * voxel_ml, LEAST_ML)
        return p, spread_around(ml, _about_the_median(seen.volumes))


@EVOLUTION_MODELS.register("hybrid")
class Hybrid(LearnedEvolution):
    """U-Net that corrects the mechanistic forecast, from all inputs about the patient.

    The mechanistic model tells how much tumour there will be, and the network where. The prior
    logit is that of the mechanistic model's posterior mean density, and the corrected logit is
    shifted until the mask has the median of the mechanistic volumes.

    Args:
        steps: number of batches over the whole training.
        batch_size: number of patients per batch.
        filters: number of filters of the first convolution.
        seed: seed of the initial weights and of ``fit``.

    Example:
        >>> Hybrid.channels, Hybrid.numbers  # no radiotherapy
        (7, 6)
    """

    channels = 7
    numbers = 6

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
        """Train the mechanistic mixture, then the network.

        Args:
            cases: cases with later masks.
        """
        self.mechanistic.fit(cases)
        super().fit(cases)

    def seen(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Seen]:
        """Build the network's input.

        The network sees the mechanistic forecast under REFERENCE. The course of the case only
        shifts the prior logit, and the network does not see that shift.

        Args:
            case: patient.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            Input for each day.
        """
        reference = case
        if case.is_ahead:
            dose = np.full(case.tumour.shape, REFERENCE.phases[0].dose, np.float32)
            reference = replace(case, treatment=REFERENCE, dose=dose, phase_doses=None)
        weights, sets = self.mechanistic.likely_sets(case)
        reference_densities = self.mechanistic.densities(reference, sets, days)
        densities = self.mechanistic.densities(case, sets, days)
        growth = self.mechanistic.growth_before(case) - _USUAL_GROWTH
        fixed = anatomy(case)
        inputs = []
        for day, by_reference, by_case in zip(days, reference_densities, densities, strict=True):
            reference_mean: Any = np.tensordot(weights, np.array(by_reference), axes=1)
            mean: Any = np.tensordot(weights, np.array(by_case), axes=1)
            # Rounding can raise the sum of the weights above 1, where the logit is undefined.
            clipped = np.clip(reference_mean, 0, 1)
            prior = logit(clipped).clip(-_LARGEST, _LARGEST).astype(np.float32)
            numbers = np.array([*patient(case, day), *growth], np.float32)
            effect = shift(prior, soft_voxels(mean))
            volumes = drawn_volumes(case, weights, by_case)
            image = _stacked([*fixed, prior / _LOGIT])
            inputs.append(Seen(image, numbers, prior + effect, volumes, effect))
        return inputs

    def corrected(self, seen: Seen, output: Volume, voxel_ml: float) -> tuple[Volume, Samples]:
        """See ``LearnedEvolution``; volumes are those of the mechanistic model."""
        p = np.asarray(expit(seen.prior - seen.effect + output), np.float32)
        return agreeing(Forecast(0, p, seen.volumes), voxel_ml).probability, seen.volumes


def shift(prior: Volume, wanted: float) -> np.float32:
    """Find the number that must be added to a logit for a given number of voxels to be inside.

    Args:
        prior: logit (x, y, z).
        wanted: number of voxels inside, as ``soft_voxels`` counts them.

    Returns:
        One number for all voxels, between -3 and 3.

    Example:
        >>> logits = np.zeros((2, 1, 1), np.float32)
        >>> float(shift(logits, wanted=1.0)), float(shift(logits, wanted=2.0))
        (0.0, 3.0)
    """

    def excess(added: float) -> float:
        """Return the number of voxels inside above the wanted number."""
        return soft_voxels(expit(prior + added)) - wanted

    if excess(0.0) == 0:
        return np.float32(0)
    if excess(-_MOST) >= 0 or excess(_MOST) <= 0:
        return np.float32(np.copysign(_MOST, -excess(0.0)))
    return np.float32(brentq(excess, -_MOST, _MOST, xtol=1e-4))

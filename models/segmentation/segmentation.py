"""Tumour segmentation on MRI: whole tumour, core and enhancing tumour by one 3-D U-Net.

Prediction works with any subset of the four sequences, as training drops whole sequences at random.
A case with only some of the three masks contributes the loss of these regions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from flame.core.errors import BadInput, FlameError
from flame.core.keras_import import keras
from flame.core.scores import Correction, Trained, Weights
from flame.models.segmentation.cases import CHANNELS, REGIONS, SegmentationCase
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.local_optimizer import LocalOptimizer
from flame.models.segmentation.patches import Patches
from flame.models.segmentation.unet import unet

Volume = NDArray[np.float32]

LEAST_ML = 0.5
"""Smallest volume in ml that a connected component of a predicted mask needs above CERTAIN."""
LARGE_ML = 5.0
"""Volume in ml from which a component is kept without that: a person has to see it."""
CERTAIN = 0.9
"""Probability of the voxels that make a component credible: a low threshold decides how far a mask
reaches, and a high one whether it is there (hysteresis, Canny 1986, 10.1109/TPAMI.1986.4767851)."""


def masked_loss(known: Any, logits: Any) -> Any:
    """Compute cross-entropy plus soft Dice loss over the voxels with a known label.

    For each region, with truth y, logit z and p = sigmoid(z), the loss is
    mean(BCE(y, z)) + 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1).
    The result is the mean over the regions that have a known voxel.

    Args:
        known: labels (n, x, y, z, region): 0, 1, or -1 for an unknown voxel.
        logits: logits of the network, of the same shape.

    Returns:
        Scalar loss; 0 without any known voxel.

    Example:
        >>> known = np.array([1.0, 0.0, -1.0], np.float32).reshape(1, 3, 1, 1, 1)
        >>> certain = np.array([20.0, -20.0, 20.0], np.float32).reshape(1, 3, 1, 1, 1)
        >>> round(float(masked_loss(known, certain)), 4)
        0.0
    """
    weight = keras.ops.cast(known >= 0, "float32")
    truth = keras.ops.maximum(known, 0.0)
    axes = (0, 1, 2, 3)
    entropy = keras.ops.maximum(logits, 0) - logits * truth
    entropy += keras.ops.log1p(keras.ops.exp(-keras.ops.abs(logits)))
    total = keras.ops.sum(weight, axes)
    entropy = keras.ops.sum(entropy * weight, axes) / (total + 1.0)
    p = keras.ops.sigmoid(logits) * weight
    overlap = 2 * keras.ops.sum(p * truth, axes) + 1.0
    dice = 1 - overlap / (keras.ops.sum(p, axes) + keras.ops.sum(truth * weight, axes) + 1.0)
    known_regions = keras.ops.cast(total > 0, "float32")
    return keras.ops.sum((entropy + dice) * known_regions) / (keras.ops.sum(known_regions) + 1e-6)


class SegmentationModel:
    """3-D U-Net for tumour regions, trained on patches and applied in sliding windows.

    A voxel belongs to a region if p > 0.5 and if it belongs to the enclosing region.

    Args:
        config: network and training settings.

    Raises:
        BadInput: the patch side is not a multiple of 8 voxels.

    Example:
        >>> SegmentationModel(SegmentationConfig(filters=4)).network.output_shape
        (None, None, None, None, 3)
    """

    def __init__(self, config: SegmentationConfig) -> None:
        if config.patch % 8:
            raise BadInput(f"segmentation.patch = {config.patch}: set a multiple of 8 voxels")
        self.config = config
        self.network: Any = unet(len(CHANNELS), len(REGIONS), config.filters)
        self.optimizer = keras.optimizers.AdamW(config.learning_rate, clipnorm=1.0)
        self.network.compile(self.optimizer, masked_loss, jit_compile=False)
        self._local = LocalOptimizer(self.network)

    def build(self, seed: int) -> Weights:
        """Draw the initial weights.

        Args:
            seed: seed of the random weights.

        Returns:
            Arrays in the order of ``network.weights``.
        """
        return initial_weights(self.network, seed)

    def fit(
        self,
        weights: Weights,
        cases: list[SegmentationCase],
        steps: int,
        seed: int,
        part: tuple[float, float] = (0.0, 1.0),
        correction: Correction | None = None,
    ) -> Trained:
        """Train for a number of batches; the optimiser starts from its initial state.

        Args:
            weights: weights that training starts from, in the order of ``network.weights``.
            cases: training cases.
            steps: number of batches.
            seed: seed of the patches.
            part: section of the cosine decay of the learning rate, from 0 (start of training) to 1
                (end).
            correction: correction of gradients; None: none.

        Returns:
            New weights, mean loss over batches, and number of batches.

        Raises:
            FlameError: the loss is not finite.
        """
        self._local.restart(weights, correction)
        patches = Patches(cases, self.config.patch, seed)
        losses = []
        for at in np.linspace(*part, steps, endpoint=False):
            rate = self.config.learning_rate * 0.5 * (1 + np.cos(np.pi * at))
            self.optimizer.learning_rate = float(rate)
            batch = [patches.draw() for _ in range(self.config.batch_size)]
            images = np.stack([image for image, _ in batch])
            regions = np.stack([region for _, region in batch])
            losses.append(float(self.network.train_on_batch(images, regions)))
            if not np.isfinite(losses[-1]):
                raise FlameError(
                    f"training diverged at step {len(losses)}; lower segmentation.learning_rate"
                )
        new_weights = [np.asarray(w) for w in self.network.get_weights()]
        return Trained(new_weights, float(np.mean(losses)) if losses else 0.0, len(losses))

    def probability(self, weights: Weights, images: Volume) -> Volume:
        """Predict the probability of each region, averaged over the images and their mirror image.

        Args:
            weights: weights of the network.
            images: images (x, y, z, 4) in the order of CHANNELS; the mirror image reverses x.

        Returns:
            Probabilities (x, y, z, 3) in the order of REGIONS.
        """
        self.network.set_weights(weights)
        mirrored = self._windows(images[::-1])[::-1]
        return np.asarray((self._windows(images) + mirrored) / 2, np.float32)

    def masks(
        self, weights: Weights, images: Volume, taught: tuple[str, ...] = REGIONS
    ) -> dict[str, NDArray[np.bool_]]:
        """Predict nested masks: each lies within that of the enclosing region.

        Args:
            weights: weights of the network.
            images: images (x, y, z, 4) in the order of CHANNELS.
            taught: names of the regions that had masks in training; the others are not predicted.

        Returns:
            Mask (x, y, z) by name of the region.
        """
        probability = self.probability(weights, images)
        voxel_ml = self.config.voxel_mm**3 / 1000
        masks: dict[str, NDArray[np.bool_]] = {}
        enclosing = np.ones(images.shape[:3], bool)
        for n, region in enumerate(REGIONS):
            if region in taught:
                enclosing = enclosing & mask_of(probability[..., n], voxel_ml)
                masks[region] = enclosing
        return masks

    def _windows(self, images: Volume) -> Volume:
        """Return probabilities (x, y, z, 3), averaged over sliding windows."""
        import torch

        from flame.core.monai_import import monai

        def predict(windows: Any) -> Any:
            """Return probabilities of windows, both (n, channel, x, y, z) as MONAI needs."""
            channels_last = np.ascontiguousarray(np.moveaxis(windows.numpy(), 1, -1))
            logits = np.asarray(self.network.predict_on_batch(channels_last), np.float32)
            return torch.from_numpy(np.moveaxis(1 / (1 + np.exp(-logits)), -1, 1).copy())

        whole = torch.from_numpy(np.moveaxis(images, -1, 0)[None].copy())
        size = (self.config.patch,) * 3
        probability = monai.inferers.sliding_window_inference(
            whole, size, 4, predict, overlap=0.5, mode="gaussian"
        )
        return np.moveaxis(probability[0].numpy(), 0, -1)


def mask_of(probability: Volume, voxel_ml: float) -> NDArray[np.bool_]:
    """Threshold a probability at one half and remove connected components without a certain core.

    Components below LARGE_ML with less than LEAST_ML above CERTAIN are removed, except the largest
    one: far from the tumour, small islands that the network is unsure of are mostly false.

    Args:
        probability: probability map (x, y, z).
        voxel_ml: volume of a voxel in ml.

    Returns:
        Mask (x, y, z).

    Example:
        >>> probability = np.array([0.95, 0.95, 0.1, 0.6], np.float32).reshape(4, 1, 1)
        >>> mask_of(probability, voxel_ml=0.3).ravel().tolist()
        [True, True, False, False]
    """
    mask = np.asarray(probability > 0.5)
    components, count = label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(components.ravel())[1:] * voxel_ml
    sure = np.bincount(components.ravel(), weights=probability.ravel() > CERTAIN)[1:] * voxel_ml
    credible = (sure >= LEAST_ML) | (sizes >= LARGE_ML) | (sizes == sizes.max())
    kept = np.flatnonzero(credible) + 1
    return np.isin(components, kept)

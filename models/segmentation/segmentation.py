"""Tumour masks from MRI: whole tumour, core and enhancing tumour by one 3-D U-Net.

Any subset of the four sequences will do at prediction: in training whole sequences are left out at
random. A case whose masks are known in part teaches what is known of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from flame.core.errors import BadInput, FlameError
from flame.core.keras_import import keras
from flame.core.scores import Correction, Trained, Weights
from flame.models.segmentation.cases import (
    CHANNELS,
    REGIONS,
    SegmentationCase,
    SegmentationConfig,
)
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.local_optimizer import LocalOptimizer
from flame.models.segmentation.patches import Patches
from flame.models.segmentation.unet import unet

Volume = NDArray[np.float32]

LEAST_ML = 0.5
"""Smaller islands are left out of a predicted mask."""


def masked_loss(known: Any, logits: Any) -> Any:
    """Cross-entropy plus soft Dice loss over the voxels whose region is known (not -1)."""
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
    there = keras.ops.cast(total > 0, "float32")
    return keras.ops.sum((entropy + dice) * there) / (keras.ops.sum(there) + 1e-6)


class SegmentationModel:
    """The network, its training from patches and its prediction by sliding windows."""

    def __init__(self, config: SegmentationConfig) -> None:
        if config.patch % 8:
            raise BadInput(f"patch = {config.patch}: give a multiple of 8 voxels")
        self.config = config
        self.network: Any = unet(len(CHANNELS), len(REGIONS), config.filters)
        self.optimizer = keras.optimizers.AdamW(config.learning_rate, clipnorm=1.0)
        self.network.compile(self.optimizer, masked_loss, jit_compile=False)
        self._local = LocalOptimizer(self.network)

    def build(self, seed: int) -> Weights:
        """Initial weights."""
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
        """Train from ``weights`` for ``steps`` batches; new weights and the mean loss.

        The learning rate falls along the ``part`` of a cosine. The optimiser starts fresh.
        """
        self._local.restart(weights, correction)
        patches = Patches(cases, self.config.patch, seed)
        losses = []
        for at in np.linspace(*part, steps, endpoint=False):
            rate = self.config.learning_rate * 0.5 * (1 + np.cos(np.pi * at))
            self.optimizer.learning_rate = float(rate)
            batch = [patches.draw() for _ in range(self.config.batch_size)]
            images, regions = (np.stack(a) for a in zip(*batch, strict=True))
            losses.append(float(self.network.train_on_batch(images, regions)))
            if not np.isfinite(losses[-1]):
                raise FlameError(
                    f"training diverged at step {len(losses)}; lower the learning rate"
                )
        found = [np.asarray(w) for w in self.network.get_weights()]
        return Trained(found, float(np.mean(losses)) if losses else 0.0, len(losses))

    def probability(self, weights: Weights, images: Volume) -> Volume:
        """Probability (x, y, z, 3) of each region, mean of the images and their mirror image."""
        self.network.set_weights(weights)
        mirrored = self._windows(images[::-1])[::-1]
        return np.asarray((self._windows(images) + mirrored) / 2, np.float32)

    def masks(
        self, weights: Weights, images: Volume, taught: tuple[str, ...] = REGIONS
    ) -> dict[str, NDArray[np.bool_]]:
        """Masks (x, y, z) of the regions that were ``taught``, each within the one before."""
        probability = self.probability(weights, images)
        voxel_ml, found = self.config.voxel_mm**3 / 1000, dict[str, NDArray[np.bool_]]()
        around = np.ones(images.shape[:3], bool)
        for n, region in enumerate(REGIONS):
            if region in taught:
                around = around & mask_of(probability[..., n], voxel_ml)
                found[region] = around
        return found

    def _windows(self, images: Volume) -> Volume:
        import torch
        from monai.inferers import sliding_window_inference

        def predict(windows: Any) -> Any:
            moved = np.ascontiguousarray(np.moveaxis(windows.numpy(), 1, -1))
            logits = np.asarray(self.network.predict_on_batch(moved), np.float32)
            return torch.from_numpy(np.moveaxis(1 / (1 + np.exp(-logits)), -1, 1).copy())

        whole = torch.from_numpy(np.moveaxis(images, -1, 0)[None].copy())
        size = (self.config.patch,) * 3
        found = sliding_window_inference(whole, size, 4, predict, overlap=0.5, mode="gaussian")
        return np.moveaxis(found[0].numpy(), 0, -1)


def mask_of(probability: Volume, voxel_ml: float) -> NDArray[np.bool_]:
    """Voxels above one half, without islands smaller than LEAST_ML unless nothing else is left."""
    mask = np.asarray(probability > 0.5)
    found, count = label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(found.ravel())[1:] * voxel_ml
    kept = np.flatnonzero((sizes >= LEAST_ML) | (sizes == sizes.max())) + 1
    return np.isin(found, kept)

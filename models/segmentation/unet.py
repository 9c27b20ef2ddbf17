"""3-D U-Net whose features can be modulated by a vector of numbers.

The network uses group normalisation, as the statistics of batch normalisation cannot be averaged
over centres.

Reference:
    Çiçek et al. 2016, arXiv:1606.06650 (3-D U-Net).
    Perez et al. 2018, arXiv:1709.07871 (FiLM).
"""

from typing import Any

from flame.core.keras_import import keras
from flame.core.processor import native_bfloat16
from flame.models.segmentation.initial_weights import ZERO

layers = keras.layers

GAIN = 4.0
"""Factor on the output of a conditioned network, which starts at zero. It lets the logit change
quickly at a learning rate that suits the features.
"""


def unet(
    channels: int, outputs: int, filters: int = 16, levels: int = 4, condition: int = 0
) -> Any:
    """Build a network from images (n, x, y, z, channels) to logits (n, x, y, z, outputs).

    The finest level has one convolution on each path, as it costs as much as all other levels. A
    conditioned network takes a second input (n, condition), which scales and shifts the features of
    each level (FiLM). It corrects a prior, so its output starts at zero.

    Args:
        channels: number of input channels.
        outputs: number of output logits per voxel.
        filters: number of filters at the finest level; it doubles with each level.
        levels: number of levels; image sides must be multiples of 2^(levels - 1).
        condition: number of conditioning inputs; 0: none.

    Returns:
        Keras model for images of any admissible size.

    Example:
        >>> network = unet(4, 3, filters=4, levels=2)
        >>> network.output_shape
        (None, None, None, None, 3)
    """
    # On some processors bfloat16 gives NaN for narrow networks on a few voxels.
    precision = "mixed_bfloat16" if filters >= 16 and native_bfloat16() else "float32"
    image = keras.Input((None, None, None, channels), name="image")
    numbers = keras.Input((condition,), name="condition") if condition else None
    block = _Block(filters, precision, numbers)
    skips = _down(block, image, levels)
    x = skips[-1]
    for level in reversed(range(levels - 1)):
        x = layers.UpSampling3D(2, dtype=precision)(x)
        x = layers.Concatenate(dtype=precision)([x, skips[level]])
        x = block(x, level)
    name = f"{ZERO}_output" if condition else "logits"
    logits = layers.Conv3D(outputs, 1, dtype="float32", name=name)(x)
    if condition:
        return keras.Model([image, numbers], layers.Rescaling(GAIN)(logits))
    return keras.Model(image, logits)


def encoder(channels: int, filters: int = 16, levels: int = 4) -> Any:
    """Build the contracting path of ``unet``, from images to the coarsest features.

    Its weights are the first weights of ``unet`` with the same arguments, in the same order.

    Args:
        channels: number of input channels.
        filters: number of filters at the finest level; it doubles with each level.
        levels: number of levels.

    Returns:
        Keras model with output (n, x', y', z', filters 2^(levels - 1)), where each side is divided
        by 2^(levels - 1).
    """
    precision = "mixed_bfloat16" if filters >= 16 and native_bfloat16() else "float32"
    image = keras.Input((None, None, None, channels), name="image")
    coarsest = _down(_Block(filters, precision, None), image, levels)[-1]
    return keras.Model(image, layers.Activation("linear", dtype="float32")(coarsest))


def _down(block: "_Block", image: Any, levels: int) -> list[Any]:
    """Return the features of every level, from fine to coarse."""
    x = image
    skips = []
    for level in range(levels):
        x = block(x, level, strides=1 if level == 0 else 2)
        if level:
            x = block(x, level)
        skips.append(x)
    return skips


class _Block:
    """Block of convolution, group normalisation, modulation and ReLU."""

    def __init__(self, filters: int, precision: str, numbers: Any) -> None:
        self.filters = filters
        self.precision = precision
        self.numbers = numbers
        self.count = 0

    def __call__(self, x: Any, level: int, strides: int = 1) -> Any:
        width = self.filters * 2**level
        self.count += 1
        x = layers.Conv3D(width, 3, strides, "same", use_bias=False, dtype=self.precision)(x)
        x = layers.GroupNormalization(min(8, width), dtype="float32")(x)
        if self.numbers is not None:
            hidden = layers.Dense(32, "relu")(self.numbers)
            scale = self._modulation(hidden, width, "scale")
            shift = self._modulation(hidden, width, "shift")
            x = layers.Add(dtype=self.precision)(
                [x, layers.Multiply(dtype=self.precision)([x, scale]), shift]
            )
        return layers.Activation("relu", dtype=self.precision)(x)

    def _modulation(self, hidden: Any, width: int, part: str) -> Any:
        """Return one number per feature (n, 1, 1, 1, width), 0 at first."""
        numbers = layers.Dense(width, name=f"{ZERO}_{self.count}_{part}")(hidden)
        return layers.Reshape((1, 1, 1, width), dtype=self.precision)(numbers)

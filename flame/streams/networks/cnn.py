"""A convolutional network in Keras for streams of images."""

from functools import cached_property
from typing import Any

import numpy as np

from flame.core.errors import BadInput
from flame.streams.networks.base import Array, Network


class ImageNetwork(Network):
    """Two convolutions with a pooling between them, the mean over the image, and a dense layer.

    Images are square, and come as rows of their pixels in row-major order. The models of the nodes
    are computed one after another, in float32.

    Args:
        pixels: features of a row: the number of pixels of an image.
        filters: filters of the first convolution; the second one has twice as many.
        classes: number of classes.

    Raises:
        BadInput: ``pixels`` is not a square number.

    Example:
        >>> ImageNetwork(pixels=15, filters=4, classes=2)
        Traceback (most recent call last):
        flame.core.errors.BadInput: network = 'image': rows of 15 features are no square image
    """

    def __init__(self, pixels: int, filters: int, classes: int) -> None:
        self.side, self.filters, self.classes = round(pixels**0.5), filters, classes
        if self.side**2 != pixels:
            raise BadInput(f"network = 'image': rows of {pixels} features are no square image")
        sizes = [int(np.prod(w.shape)) for w in self._model.trainable_variables]
        self.size, self.head = sum(sizes), sum(sizes[-2:])

    @cached_property
    def _model(self) -> Any:
        from flame.core.keras_import import keras

        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((self.side, self.side, 1)),
                layers.Conv2D(self.filters, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(2 * self.filters, 3, padding="same", activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(self.classes - 1),
            ]
        )

    def start(self, rng: np.random.Generator) -> Array:
        """Return parameters (size,): Glorot's normal weights, and biases of 0.

        Args:
            rng: draws the parameters.
        """
        parts = []
        for variable in self._model.trainable_variables:
            shape = variable.shape
            field = int(np.prod(shape[:-2]))
            spread = np.sqrt(2 / (field * sum(shape[-2:]))) if len(shape) > 1 else 0.0
            parts.append(rng.normal(size=shape).ravel() * spread)
        return np.concatenate(parts)

    @cached_property
    def _forward(self) -> Any:
        import tensorflow as tf

        shapes = [tuple(v.shape) for v in self._model.trainable_variables]
        sizes = [int(np.prod(shape)) for shape in shapes]

        @tf.function(reduce_retracing=True)
        def forward(parameters: Any, x: Any) -> Any:
            parts = tf.split(parameters, sizes)
            weights = [tf.reshape(p, s) for p, s in zip(parts, shapes, strict=True)]
            return self._model.stateless_call(weights, [], x)[0]

        return forward

    @cached_property
    def _backward(self) -> Any:
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def backward(parameters: Any, x: Any, pull: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(parameters)
                total = tf.reduce_sum(pull * self._forward(parameters, x))
            return tape.gradient(total, parameters)

        return backward

    def _images(self, x: Array) -> Any:
        return x.reshape(len(x), self.side, self.side, 1).astype(np.float32)

    def logits(self, parameters: Array, x: Array) -> Array:
        """See ``Network``."""
        found = [
            self._forward(p.astype(np.float32), self._images(rows)).numpy()
            for p, rows in zip(parameters, x, strict=True)
        ]
        return np.stack(found).astype(float)

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """See ``Network``."""
        found = [
            self._backward(p.astype(np.float32), self._images(rows), off.astype(np.float32)).numpy()
            for p, rows, off in zip(parameters, x, pull, strict=True)
        ]
        return np.stack(found).astype(float)

"""A convolutional network in Keras for streams of images."""

from functools import cached_property
from typing import Any

import numpy as np

from flame.core.errors import BadInput
from flame.streams.networks.base import Array, Network


class ImageNetwork(Network):
    """Two convolutions with a pooling between them, the mean over the image, and a dense layer.

    Images are square. A row holds the pixels of an image in row-major order. The models of the
    nodes are computed one after another, in float32.

    Args:
        pixels: number of pixels of an image, which are the features of a row.
        filters: filters of the first convolution; the second convolution has twice as many.
        classes: number of classes.

    Raises:
        BadInput: ``pixels`` is not a square number.

    Example:
        >>> ImageNetwork(pixels=15, filters=4, classes=2)
        Traceback (most recent call last):
        flame.core.errors.BadInput: network = 'image': 15 features of a row are not a square image
    """

    def __init__(self, pixels: int, filters: int, classes: int) -> None:
        self.side = round(pixels**0.5)
        self.filters = filters
        self.classes = classes
        if self.side**2 != pixels:
            raise BadInput(f"network = 'image': {pixels} features of a row are not a square image")
        sizes = [int(np.prod(w.shape)) for w in self._model.trainable_variables]
        self.size = sum(sizes)
        self.head = sum(sizes[-2:])

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
        """Draw Glorot's normal weights, with biases of 0.

        Args:
            rng: draws the parameters.

        Returns:
            Parameters (size,) of one model.
        """
        parts = []
        for variable in self._model.trainable_variables:
            shape = variable.shape
            field = int(np.prod(shape[:-2]))
            deviation = np.sqrt(2 / (field * sum(shape[-2:]))) if len(shape) > 1 else 0.0
            parts.append(rng.normal(size=shape).ravel() * deviation)
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
        logits = [
            self._forward(p.astype(np.float32), self._images(rows)).numpy()
            for p, rows in zip(parameters, x, strict=True)
        ]
        return np.stack(logits).astype(float)

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """See ``Network``."""
        gradients = [
            self._backward(p.astype(np.float32), self._images(rows), g.astype(np.float32)).numpy()
            for p, rows, g in zip(parameters, x, pull, strict=True)
        ]
        return np.stack(gradients).astype(float)

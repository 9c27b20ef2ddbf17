"""DP-SGD: the gradient of each patient is clipped; their sum is published with Gaussian noise.

A batch has a fixed size and is drawn without replacement, anew for each step.

Reference:
    Abadi et al. 2016, doi:10.1145/2976749.2978318; Wang, Balle, Kasiviswanathan 2019,
    arXiv:1808.00087 (sampling without replacement).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.keras_import import keras
from flame.core.scores import Trained, Weights
from flame.models.response.gaussian_mechanism import (
    clipped,
    limit_before_rounding,
    noised,
    steps_of,
)

Rows = NDArray[np.intp]


class PrivateSteps:
    """Differentially private training of a network by DP-SGD.

    A step uses the gradient (sum of clip(g_i) + noise) / size. Here g_i is the gradient of patient
    i, size is that of the batch, and the noise is discrete Gaussian of deviation ``noise * clip``.

    Args:
        network: compiled Keras model; its optimiser takes the steps.

    Example:
        >>> inputs = keras.Input((1,))
        >>> network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
        >>> network.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        >>> network.set_weights([np.ones((1, 1), np.float32)])
        >>> batch = lambda rows: ([np.ones((1, 1))], np.zeros((1, 1)))
        >>> rng = np.random.default_rng(0)
        >>> trained = PrivateSteps(network).fit(batch, 1, 1, epochs=1, clip=1.0, noise=0.0, rng=rng)
        >>> trained.weights[0].item()  # 1 - 0.5 * clip(2)
        0.5
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        # A plain SGD step of rate 1 moves the weights by the negative gradient.
        self._probe = keras.Model(network.inputs, network.outputs)
        self._probe.compile(keras.optimizers.SGD(1.0), network.loss, jit_compile=False)

    def fit(
        self,
        batch: Callable[[Rows], tuple[list[Any], Any]],
        count: int,
        size: int,
        epochs: int,
        clip: float,
        noise: float,
        rng: np.random.Generator,
    ) -> Trained:
        """Train for a number of epochs.

        Args:
            batch: function of row indices (m,) that returns the inputs and outcomes of these rows.
            count: number of patients.
            size: number of patients per batch.
            epochs: number of epochs; each has ceil(count / size) steps.
            clip: largest Euclidean norm of a patient's gradient.
            noise: noise multiplier: standard deviation of the noise divided by ``clip``.
            rng: random numbers of batches and of noise.

        Returns:
            New weights and number of steps. The loss is 0, as its publication would need further
            noise.
        """
        steps = steps_of(count, size, epochs)
        numbers = sum(np.size(w) for w in self.network.get_weights())
        limit = limit_before_rounding(clip, noise * clip, numbers)
        for _ in range(steps):
            rows = np.sort(rng.choice(count, size, replace=False))
            before = [np.asarray(w) for w in self.network.get_weights()]
            total = [np.zeros(w.shape) for w in before]
            for row in rows:
                gradient = clipped(self._gradient(before, *batch(np.array([row]))), limit)
                total = [t + g for t, g in zip(total, gradient, strict=True)]
            mean = [t / size for t in noised(total, noise * clip, rng)]
            self._step(mean)
        weights = [np.asarray(w) for w in self.network.get_weights()]
        return Trained(weights, 0.0, steps)

    def _gradient(self, before: Weights, x: list[Any], y: Any) -> Weights:
        """Return the gradient at the weights ``before``, as the change of a plain SGD step."""
        self._probe.train_on_batch(x, y)
        after = self._probe.get_weights()
        self._probe.set_weights(before)
        return [b.astype(np.float64) - a for b, a in zip(before, after, strict=True)]

    def _step(self, gradient: Weights) -> None:
        """Take one step of the network's optimiser."""
        place = {id(v): n for n, v in enumerate(self.network.weights)}
        trained = self.network.trainable_variables
        gradients = [keras.ops.convert_to_tensor(gradient[place[id(v)]], v.dtype) for v in trained]
        self.network.optimizer.apply(gradients, trained)

"""Gradient steps of which no patient's part shows: clipped for each, summed with noise.

DP-SGD (Abadi 2016, doi:10.1145/2976749.2978318) on batches that every patient enters by chance.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.keras_import import keras
from flame.core.scores import Trained, Weights
from flame.models.response.gaussian_mechanism import clipped, noised, steps_of

Rows = NDArray[np.intp]


class PrivateSteps:
    """Private training of a compiled ``network``, whose optimiser takes the steps."""

    def __init__(self, network: Any) -> None:
        self.network = network
        # The same weights under plain steps of length 1: how far they move is a gradient.
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
        """Train on ``count`` patients, ``size`` of them a step on average.

        A patient's gradient is ``clip`` long at most; ``noise`` is in units of that.
        ``batch`` gives the arrays of rows. The loss is not told: it would need noise of its own.
        """
        steps = steps_of(count, size, epochs)
        for _ in range(steps):
            rows = np.flatnonzero(rng.random(count) < size / count)
            before = [np.asarray(w) for w in self.network.get_weights()]
            total = [np.zeros(w.shape) for w in before]
            for row in rows:
                own = clipped(self._gradient(before, *batch(np.array([row]))), clip)
                total = [t + g for t, g in zip(total, own, strict=True)]
            mean = [t / size for t in noised(total, noise * clip, rng)]
            self._step(before, mean)
        found = [np.asarray(w) for w in self.network.get_weights()]
        return Trained(found, 0.0, steps)

    def _gradient(self, before: Weights, x: list[Any], y: Any) -> Weights:
        self._probe.train_on_batch(x, y)
        after = self._probe.get_weights()
        self._probe.set_weights(before)
        return [b.astype(np.float64) - a for b, a in zip(before, after, strict=True)]

    def _step(self, before: Weights, gradient: Weights) -> None:
        place = {id(v): n for n, v in enumerate(self.network.weights)}
        trained = self.network.trainable_variables
        each = [keras.ops.convert_to_tensor(gradient[place[id(v)]], v.dtype) for v in trained]
        self.network.optimizer.apply(each, trained)

"""A restartable optimiser whose gradients can be corrected.

Each restart resets the optimiser's state, so that a round depends on its arguments alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.keras_import import keras
from flame.core.scores import Correction, Weights

ops = keras.ops


class LocalOptimizer:
    """Wrap the optimiser of a network so that it can be restarted and its gradients corrected.

    A gradient g at weights w is replaced by g + linear + proximal (w - towards), with the terms of
    ``Correction``; frozen arrays do not move. From the first correction on the wrapper replaces
    ``network.optimizer.apply``; its terms need twice the memory of the network.

    Args:
        network: compiled Keras model; its optimiser is built here.

    Example:
        >>> inputs = keras.Input((1,))
        >>> network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
        >>> network.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        >>> local = LocalOptimizer(network)
        >>> local.restart([np.ones((1, 1), np.float32)])
        >>> _ = network.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
        >>> network.get_weights()[0].item()  # 1 - 0.5 * 2 * (1 - 0)
        0.0
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.optimizer = network.optimizer
        self.optimizer.build(network.trainable_variables)
        self._start = [_small(ops.convert_to_numpy(v)) for v in self.optimizer.variables]
        self._proximal = keras.Variable(0.0, trainable=False)
        self._linear: list[Any] = []
        self._towards: list[Any] = []
        self._moving: list[Any] = []
        self._plain = True
        self._corrects = False
        self._apply = self.optimizer.apply

    def restart(self, weights: Weights, correction: Correction | None = None) -> None:
        """Set the weights, reset the optimiser, and set the correction of all later gradients.

        Args:
            weights: arrays in the order of ``network.weights``.
            correction: terms that are added to gradients, and the arrays that stay frozen. Without
                ``towards``, the proximal term pulls towards ``weights``. None: no correction.
        """
        self.network.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, self._start, strict=True):
            variable.assign(value)
        terms = correction or Correction()
        was_plain = self._plain
        self._plain = not (terms.linear or terms.proximal or terms.frozen)
        if was_plain and self._plain:
            return
        if not self._corrects:
            self._begin_to_correct()
        place = {id(v): i for i, v in enumerate(self.network.weights)}
        self._proximal.assign(terms.proximal)
        for n, variable in enumerate(self.network.trainable_variables):
            at = place[id(variable)]
            zeros = np.zeros(variable.shape, np.float32)
            self._linear[n].assign(terms.linear[at] if terms.linear else zeros)
            anchor = terms.towards[at] if terms.towards else weights[at]
            self._towards[n].assign(anchor if terms.proximal else zeros)
            self._moving[n].assign(0.0 if terms.frozen and terms.frozen[at] else 1.0)

    def _begin_to_correct(self) -> None:
        self._corrects = True
        trained = self.network.trainable_variables
        self._linear = [_zeros_like(v) for v in trained]
        self._towards = [_zeros_like(v) for v in trained]
        self._moving = [keras.Variable(1.0, trainable=False) for _ in trained]
        self.optimizer.apply = self._corrected
        self.network.make_train_function(force=True)  # the compiled one takes plain steps

    def _corrected(self, gradients: Any, variables: Any = None) -> Any:
        """Correct the gradients, take the step, and restore frozen arrays."""
        trained = self.network.trainable_variables if variables is None else variables
        before = [ops.copy(v) for v in trained]
        corrected = [
            ops.cast(g, "float32") + linear + self._proximal * (v - anchor)
            for g, linear, v, anchor in zip(
                gradients, self._linear, trained, self._towards, strict=True
            )
        ]
        result = self._apply(corrected, variables)
        for variable, old, moving in zip(trained, before, self._moving, strict=True):
            variable.assign(ops.where(moving > 0, variable, old))
        return result


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a view of a single number if all are equal, as most states begin."""
    if array.ndim and array.size and (array == array.flat[0]).all():
        return np.broadcast_to(array.flat[0], array.shape)
    return array


def _zeros_like(variable: Any) -> Any:
    """Return a Keras variable of zeros with the shape of another."""
    return keras.Variable(np.zeros(variable.shape, np.float32), trainable=False)

"""An optimiser that can start again: what training does then depends on its arguments alone."""

from typing import Any

import keras


class FreshOptimizer:
    """Builds the optimiser of a compiled ``network`` and remembers how it started."""

    def __init__(self, network: Any) -> None:
        self.optimizer = network.optimizer
        self.optimizer.build(network.trainable_variables)
        self._start = [keras.ops.convert_to_numpy(v) for v in self.optimizer.variables]

    def restart(self) -> None:
        """Forget all steps."""
        for variable, value in zip(self.optimizer.variables, self._start, strict=True):
            variable.assign(value)

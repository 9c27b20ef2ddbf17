"""A network with one hidden layer for tables, compiled with numba.

Streams train thousands of these small networks, so the forward and the backward pass are loops.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from flame.streams.networks.base import FAST, SLOW, TINY, Adam, Array, Labels, Network, shares


@dataclass(frozen=True)
class MLP(Network):
    """A multilayer perceptron with one hidden layer: logits = relu(x V + b) W + c.

    The parameters of a node, in order: V (features, hidden), b (hidden,), W (hidden, classes - 1)
    and c (classes - 1,), each in row-major order.

    Args:
        features: number of features of a row.
        hidden: number of hidden units.
        classes: number of classes.

    Example:
        With V = 2, b = 0, W = 3, c = -1, the rows 1 and -1 have the logits 5 and -1.

        >>> parameters = np.array([[2.0, 0.0, 3.0, -1.0]])
        >>> MLP(features=1, hidden=1).logits(parameters, np.array([[[1.0], [-1.0]]])).tolist()
        [[[5.0], [-1.0]]]
    """

    features: int
    hidden: int
    classes: int = 2

    @property
    def size(self) -> int:  # type: ignore[override]
        """Number of parameters."""
        return (self.features + 1) * self.hidden + self.head

    @property
    def head(self) -> int:  # type: ignore[override]
        """Number of parameters of the last layer."""
        return (self.hidden + 1) * (self.classes - 1)

    def start(self, rng: np.random.Generator) -> Array:
        """Draw parameters uniformly in +- 1 / sqrt(inputs of the layer), as PyTorch does.

        Args:
            rng: draws the parameters.

        Returns:
            Parameters (size,) of one model.
        """
        first = self.features**-0.5
        last = self.hidden**-0.5
        inner = (self.features + 1) * self.hidden
        return np.concatenate(
            [rng.uniform(-first, first, inner), rng.uniform(-last, last, self.size - inner)]
        )

    def logits(self, parameters: Array, x: Array) -> Array:
        """See ``Network``."""
        return np.asarray(_logits(parameters, x, self.hidden, self.classes - 1))

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """See ``Network``."""
        return np.asarray(_gradient(parameters, x, pull, self.hidden))

    def descend(
        self, parameters: Array, x: Array, y: Labels, weight: Array, adam: Adam, steps: int
    ) -> Array:
        """See ``Network``. The learning rate is one number for all nodes."""
        trained = parameters.copy()
        share = shares(weight) * adam.who[:, None]
        _descend(
            trained,
            x,
            y,
            share,
            adam.mean,
            adam.square,
            adam.steps,
            steps,
            adam.rate,
            self.hidden,
            self.classes - 1,
            adam.frozen,
        )
        adam.steps += steps
        return trained


_FASTMATH = {"nsz", "arcp", "contract", "reassoc"}
"""LLVM may reorder sums but not assume that numbers are finite, so that NaN stays NaN."""


def _compiled(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, fastmath=_FASTMATH)(function)


def _inlined(function: Callable[..., Any]) -> Any:
    """Inline a function into its callers; compiled alone, a cached one sums in another order."""
    return numba.njit(inline="always", fastmath=_FASTMATH)(function)


@_inlined
def _forward(p, x, units, logits):  # type: ignore[no-untyped-def]
    """Compute units (hidden, m) and logits (outputs, m) of one node from x (features, m)."""
    features = len(x)
    hidden, rows = units.shape
    outputs = len(logits)
    bias = features * hidden
    last = (features + 1) * hidden
    for o in range(outputs):
        for m in range(rows):
            logits[o, m] = p[last + hidden * outputs + o]
    for h in range(hidden):
        for m in range(rows):
            units[h, m] = p[bias + h]
        for f in range(features):
            for m in range(rows):
                units[h, m] += p[f * hidden + h] * x[f, m]
        for m in range(rows):
            units[h, m] = max(units[h, m], 0.0)
        for o in range(outputs):
            for m in range(rows):
                logits[o, m] += p[last + o * hidden + h] * units[h, m]


@_inlined
def _backward(p, x, units, pull, back, slope):  # type: ignore[no-untyped-def]
    """Write the gradient of sum(pull * logits) to ``slope``; ``back`` (m,) is a work array."""
    features = len(x)
    hidden, rows = units.shape
    outputs = len(pull)
    bias = features * hidden
    last = (features + 1) * hidden
    for o in range(outputs):
        slope[last + hidden * outputs + o] = pull[o].sum()
    for h in range(hidden):
        back[:] = 0.0
        for o in range(outputs):
            total = 0.0
            weight = p[last + o * hidden + h]
            for m in range(rows):
                total += pull[o, m] * units[h, m]
                back[m] += pull[o, m] * weight
            slope[last + o * hidden + h] = total
        total = 0.0
        for m in range(rows):
            back[m] = back[m] if units[h, m] > 0 else 0.0
            total += back[m]
        slope[bias + h] = total
        for f in range(features):
            total = 0.0
            for m in range(rows):
                total += x[f, m] * back[m]
            slope[f * hidden + h] = total


@_compiled
def _logits(parameters, x, hidden, outputs):  # type: ignore[no-untyped-def]
    nodes, rows, _ = x.shape
    logits_of_nodes = np.empty((nodes, rows, outputs))
    units = np.empty((hidden, rows))
    logits = np.empty((outputs, rows))
    for n in range(nodes):
        _forward(parameters[n], x[n].T.copy(), units, logits)
        logits_of_nodes[n] = logits.T
    return logits_of_nodes


@_compiled
def _gradient(parameters, x, pull, hidden):  # type: ignore[no-untyped-def]
    outputs = pull.shape[2]
    gradient = np.empty(parameters.shape)
    for n in range(len(x)):
        counts = np.flatnonzero(np.abs(pull[n]).sum(axis=1))  # without the padding of the batch
        rows = len(counts)
        units = np.empty((hidden, rows))
        logits = np.empty((outputs, rows))
        back = np.empty(rows)
        columns = x[n][counts].T.copy()
        _forward(parameters[n], columns, units, logits)
        _backward(parameters[n], columns, units, pull[n][counts].T.copy(), back, gradient[n])
    return gradient


@_inlined
def _softmax_pull(logits, y, share):  # type: ignore[no-untyped-def]
    """Replace logits (outputs, m) by the derivative of the weighted log loss by them."""
    outputs, rows = logits.shape
    for m in range(rows):
        most = 0.0
        for o in range(outputs):
            most = max(most, logits[o, m])
        total = np.exp(-most)
        for o in range(outputs):
            logits[o, m] = np.exp(logits[o, m] - most)
            total += logits[o, m]
        for o in range(outputs):
            right = 1.0 if y[m] == o + 1 else 0.0
            logits[o, m] = share[m] * (logits[o, m] / total - right)


@_compiled
def _descend(  # type: ignore[no-untyped-def]
    parameters, x, y, share, mean, square, done, steps, rate, hidden, outputs, frozen
):
    slope = np.empty(parameters.shape[1])
    for n in range(len(x)):
        counts = np.flatnonzero(share[n])
        rows = len(counts)
        if rows == 0:
            continue
        p = parameters[n]
        columns = x[n][counts].T.copy()
        # Two assignments would compile to another sequence of instructions.
        labels, shared = y[n][counts], share[n][counts]
        units = np.empty((hidden, rows))
        logits = np.empty((outputs, rows))
        back = np.empty(rows)
        for step in range(done + 1, done + steps + 1):
            _forward(p, columns, units, logits)
            _softmax_pull(logits, labels, shared)
            _backward(p, columns, units, logits, back, slope)
            fast = 1 - FAST**step
            slow = 1 - SLOW**step
            for i in range(frozen, len(slope)):
                mean[n, i] = FAST * mean[n, i] + (1 - FAST) * slope[i]
                square[n, i] = SLOW * square[n, i] + (1 - SLOW) * slope[i] ** 2
                p[i] -= rate * (mean[n, i] / fast) / (np.sqrt(square[n, i] / slow) + TINY)

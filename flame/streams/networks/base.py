"""What is learned on streams: networks of all nodes at once, a node a row of parameters."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
FAST, SLOW, TINY = 0.9, 0.999, 1e-8


class Network:
    """A classifier with ``size`` parameters; its first class has the logit 0.

    The last ``head`` of them are its last layer, those before its representation.

    Parameters are (n, size) for n nodes, features (n, m, ...), logits (n, m, classes - 1), all
    float64; labels (n, m) are 0, 1, ..., and ``weight`` (n, m) is what a row counts, 0: not at all.
    """

    size: int
    head: int
    classes: int

    @property
    def body(self) -> int:
        """Number of parameters of the representation."""
        return self.size - self.head

    def start(self, rng: np.random.Generator) -> Array:
        """Parameters (size,) to begin from."""
        raise NotImplementedError

    def logits(self, parameters: Array, x: Array) -> Array:
        """Logits of every class but the first."""
        raise NotImplementedError

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """Gradient (n, size) of sum(pull * logits)."""
        raise NotImplementedError

    def probability(self, parameters: Array, x: Array) -> Array:
        """Probability (n, m, classes)."""
        return np.asarray(softmax(with_first(self.logits(parameters, x)), axis=-1))

    def accuracy(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Share (n,) of rows told right; 0 of nodes without any."""
        told = with_first(self.logits(parameters, x)).argmax(axis=-1)
        return np.asarray(((told == y) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1))

    def loss_gradient(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Gradient (n, size) of the weighted mean log loss of each node."""
        return self.gradient(parameters, x, self.pull(self.logits(parameters, x), y, weight))

    def pull(self, logits: Array, y: Labels, weight: Array) -> Array:
        """Derivative of the weighted mean log loss by the logits."""
        off = softmax(with_first(logits), axis=-1)[..., 1:] - one_hot(y, self.classes)[..., 1:]
        return np.asarray(off * shares(weight)[..., None])

    def descend(
        self, parameters: Array, x: Array, y: Labels, weight: Array, adam: "Adam", steps: int
    ) -> Array:
        """Parameters after full-batch steps on the log loss; nodes without a row stay."""
        everybody = adam.who
        adam.who = everybody & weight.any(axis=1)
        for _ in range(steps):
            gradient = self.loss_gradient(parameters, x, y, weight)
            gradient[:, : adam.frozen] = 0
            parameters = adam.step(parameters, gradient)
        adam.who = everybody
        return parameters


def with_first(logits: Array) -> Array:
    """Logits with the 0 of the first class."""
    return np.concatenate([np.zeros((*logits.shape[:-1], 1)), logits], axis=-1)


def one_hot(y: Labels, classes: int) -> Array:
    """Labels as (..., classes) of 0 and 1."""
    return np.eye(classes)[y]


def shares(weight: Array) -> Array:
    """Weights of rows as shares of their node's; 0 where it has none."""
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(weight / np.where(total > 0, total, 1))


def log_likelihood(probability: Array, y: Labels, floor: float) -> Array:
    """Log probability (n, m) of labels when a share ``floor`` of each class is given away."""
    classes = probability.shape[-1]
    told = np.take_along_axis(probability, y[..., None], axis=-1)[..., 0]
    return np.asarray(np.log((1 - classes * floor) * told + floor))


def log_loss(logits: Array, y: Labels) -> Array:
    """Log loss (n, m) of each row."""
    told = log_softmax(with_first(logits), axis=-1)
    return np.asarray(-np.take_along_axis(told, y[..., None], axis=-1)[..., 0])


class Adam:
    """Adam (Kingma 2015, arXiv:1412.6980) for all nodes; starts afresh.

    The first ``frozen`` parameters stay as they are in a network's descent. Nodes that are not
    among ``who`` (n,) stay, and their moments do.
    """

    def __init__(self, shape: tuple[int, ...], rate: float, frozen: int = 0) -> None:
        self.frozen = frozen
        self.rate: float | Array = rate
        self.steps = 0
        self.who = np.ones(shape[0], bool)
        self.mean, self.square = np.zeros(shape), np.zeros(shape)

    def step(self, parameters: Array, gradient: Array) -> Array:
        """The parameters after one step."""
        self.steps += 1
        who = self.who[:, None]
        self.mean = np.where(who, FAST * self.mean + (1 - FAST) * gradient, self.mean)
        self.square = np.where(who, SLOW * self.square + (1 - SLOW) * gradient**2, self.square)
        mean = self.mean / (1 - FAST**self.steps)
        square = self.square / (1 - SLOW**self.steps)
        stepped = parameters - self.rate * mean / (np.sqrt(square) + TINY)
        return np.asarray(np.where(who, stepped, parameters))

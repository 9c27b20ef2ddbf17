"""Networks whose parameters of all nodes are one matrix, and what trains them."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
FAST, SLOW, TINY = 0.9, 0.999, 1e-8
"""Adam's decay rates of the first and the second moment, and the number that keeps its divisor
above 0: the defaults of Kingma 2015."""


class Network:
    """A classifier that computes and trains the models of all nodes at once.

    The first class always has the logit 0, so a network computes the logits of the other classes.
    ``size`` is the number of parameters. The last ``head`` of them are the last layer; the ones
    before are the representation.

    Shapes for n nodes with m rows each: parameters (n, size), features (n, m, ...), labels (n, m)
    from 0 on, row weights (n, m), logits (n, m, classes - 1). Real numbers are float64. A row of
    weight 0 is ignored.
    """

    size: int
    head: int
    classes: int

    @property
    def body(self) -> int:
        """Number of parameters of the representation."""
        return self.size - self.head

    def start(self, rng: np.random.Generator) -> Array:
        """Return initial parameters (size,).

        Args:
            rng: draws the parameters.
        """
        raise NotImplementedError

    def logits(self, parameters: Array, x: Array) -> Array:
        """Return the logits (n, m, classes - 1) of every class but the first.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
        """
        raise NotImplementedError

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """Return the gradient (n, size) of sum(pull * logits) with respect to the parameters.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            pull: derivative (n, m, classes - 1) of a loss with respect to the logits.
        """
        raise NotImplementedError

    def probability(self, parameters: Array, x: Array) -> Array:
        """Return the probability (n, m, classes) of each class.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
        """
        return np.asarray(softmax(with_first(self.logits(parameters, x)), axis=-1))

    def accuracy(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Return the share (n,) of rows that each node predicts correctly; 0 without rows.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.
        """
        told = with_first(self.logits(parameters, x)).argmax(axis=-1)
        return np.asarray(((told == y) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1))

    def loss_gradient(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Return the gradient (n, size) of each node's weighted mean log loss.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.
        """
        return self.gradient(parameters, x, self.pull(self.logits(parameters, x), y, weight))

    def pull(self, logits: Array, y: Labels, weight: Array) -> Array:
        """Return the derivative (n, m, classes - 1) of the weighted mean log loss by the logits.

        It is (probability - one-hot label) times the row's share of the weights of its node.

        Args:
            logits: logits (n, m, classes - 1).
            y: labels (n, m).
            weight: weight (n, m) of each row.
        """
        off = softmax(with_first(logits), axis=-1)[..., 1:] - one_hot(y, self.classes)[..., 1:]
        return np.asarray(off * shares(weight)[..., None])

    def descend(
        self, parameters: Array, x: Array, y: Labels, weight: Array, adam: "Adam", steps: int
    ) -> Array:
        """Return the parameters (n, size) after full-batch steps of Adam on the log loss.

        Nodes without a row keep their parameters.

        Args:
            parameters: parameters (n, size) to start from.
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.
            adam: the optimizer; its moments are updated.
            steps: number of steps.
        """
        everybody = adam.who
        adam.who = everybody & weight.any(axis=1)
        for _ in range(steps):
            gradient = self.loss_gradient(parameters, x, y, weight)
            gradient[:, : adam.frozen] = 0
            parameters = adam.step(parameters, gradient)
        adam.who = everybody
        return parameters


def with_first(logits: Array) -> Array:
    """Return logits (..., classes), with the 0 of the first class put in front.

    Args:
        logits: logits (..., classes - 1) of the other classes.

    Example:
        >>> with_first(np.array([[1.0, 2.0]])).tolist()
        [[0.0, 1.0, 2.0]]
    """
    return np.concatenate([np.zeros((*logits.shape[:-1], 1)), logits], axis=-1)


def one_hot(y: Labels, classes: int) -> Array:
    """Return labels as an array (..., classes) of 0 and 1.

    Args:
        y: labels (...) from 0 on.
        classes: number of classes.
    """
    return np.eye(classes)[y]


def shares(weight: Array) -> Array:
    """Return the weights of rows (n, m) as shares that sum to 1 over each node.

    Args:
        weight: weights (n, m); the shares of a node whose weights are all 0 are 0.

    Example:
        >>> shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
        [[0.25, 0.75], [0.0, 0.0]]
    """
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(weight / np.where(total > 0, total, 1))


def log_likelihood(probability: Array, y: Labels, floor: float) -> Array:
    """Return the log probability (n, m) of labels, smoothed so that it is finite.

    A probability p becomes (1 - classes * floor) * p + floor.

    Args:
        probability: probabilities (..., classes).
        y: labels (...).
        floor: probability that every class gets; a number, or an array that fits the labels.

    Example:
        0.8 * 0.75 + 0.1 is 0.7.

        >>> probability = np.array([[[0.25, 0.75]]])
        >>> np.exp(log_likelihood(probability, np.array([[1]]), floor=0.1)).round(2).tolist()
        [[0.7]]
    """
    classes = probability.shape[-1]
    told = np.take_along_axis(probability, y[..., None], axis=-1)[..., 0]
    return np.asarray(np.log((1 - classes * floor) * told + floor))


def log_loss(logits: Array, y: Labels) -> Array:
    """Return the log loss (n, m) of each row.

    Args:
        logits: logits (n, m, classes - 1) of every class but the first.
        y: labels (n, m).

    Example:
        >>> log_loss(np.array([[[0.0]]]), np.array([[1]])).round(3).tolist()  # log 2
        [[0.693]]
    """
    told = log_softmax(with_first(logits), axis=-1)
    return np.asarray(-np.take_along_axis(told, y[..., None], axis=-1)[..., 0])


class Adam:
    """The optimizer Adam for the models of all nodes, with moments that start at 0.

    Only nodes in the mask ``who`` (n,) move; the others keep their parameters and moments.

    Args:
        shape: shape (n, size) of the parameters.
        rate: learning rate; ``rate`` may later become an array (n, 1), a rate for each node.
        frozen: the first so many parameters stay as they are in ``Network.descend``.

    Reference:
        Kingma 2015, arXiv:1412.6980.

    Example:
        The first step moves every parameter by the learning rate, against its gradient.

        >>> adam = Adam((1, 2), rate=0.1)
        >>> adam.step(np.zeros((1, 2)), np.array([[2.0, -4.0]])).round(4).tolist()
        [[-0.1, 0.1]]
    """

    def __init__(self, shape: tuple[int, ...], rate: float, frozen: int = 0) -> None:
        self.frozen = frozen
        self.rate: float | Array = rate
        self.steps = 0
        self.who = np.ones(shape[0], bool)
        self.mean, self.square = np.zeros(shape), np.zeros(shape)

    def step(self, parameters: Array, gradient: Array) -> Array:
        """Return the parameters (n, size) after one step.

        Args:
            parameters: parameters (n, size).
            gradient: gradient (n, size) of the loss.
        """
        self.steps += 1
        who = self.who[:, None]
        self.mean = np.where(who, FAST * self.mean + (1 - FAST) * gradient, self.mean)
        self.square = np.where(who, SLOW * self.square + (1 - SLOW) * gradient**2, self.square)
        mean = self.mean / (1 - FAST**self.steps)
        square = self.square / (1 - SLOW**self.steps)
        stepped = parameters - self.rate * mean / (np.sqrt(square) + TINY)
        return np.asarray(np.where(who, stepped, parameters))

"""Networks whose parameters of all nodes are one matrix, and the optimizer that trains them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Kind = TypeVar("Kind", bound=np.generic)
FAST = 0.9
"""Adam's decay rate of the first moment, the default of Kingma 2015."""
SLOW = 0.999
"""Adam's decay rate of the second moment, the default of Kingma 2015."""
TINY = 1e-8
"""Number that keeps Adam's divisor above 0, the default of Kingma 2015."""


class Network:
    """A classifier that computes and trains the models of all nodes at once.

    The first class always has the logit 0, so a network computes the logits of the other classes.
    ``size`` is the number of parameters. The last ``head`` parameters are the last layer, and those
    before are the representation. ``gradients`` is the number of gradients of rows that a
    ``Metered`` network has computed.

    Shapes for n nodes with m rows each: parameters (n, size), features (n, m, ...), labels (n, m)
    from 0, row weights (n, m), logits (n, m, classes - 1). Real numbers are float64. A row of
    weight 0 is ignored.
    """

    size: int
    head: int
    classes: int
    gradients: int = 0

    @property
    def body(self) -> int:
        """Number of parameters of the representation."""
        return self.size - self.head

    def start(self, rng: np.random.Generator) -> Array:
        """Draw initial parameters.

        Args:
            rng: draws the parameters.

        Returns:
            Parameters (size,) of one model.
        """
        raise NotImplementedError

    def logits(self, parameters: Array, x: Array) -> Array:
        """Compute the logits of every class but the first.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).

        Returns:
            Logits (n, m, classes - 1).
        """
        raise NotImplementedError

    def gradient(self, parameters: Array, x: Array, pull: Array) -> Array:
        """Compute the gradient of sum(pull * logits) with respect to the parameters.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            pull: derivative (n, m, classes - 1) of a loss with respect to the logits.

        Returns:
            Gradient (n, size).
        """
        raise NotImplementedError

    def probability(self, parameters: Array, x: Array) -> Array:
        """Compute the probability of each class.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).

        Returns:
            Probabilities (n, m, classes).
        """
        return np.asarray(softmax(with_first(self.logits(parameters, x)), axis=-1))

    def accuracy(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Compute the share of rows that each node predicts correctly.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.

        Returns:
            Weighted share (n,); 0 without rows.
        """
        predicted = with_first(self.logits(parameters, x)).argmax(axis=-1)
        correct = ((predicted == y) * weight).sum(axis=1)
        return np.asarray(correct / np.maximum(weight.sum(axis=1), 1))

    def loss_gradient(self, parameters: Array, x: Array, y: Labels, weight: Array) -> Array:
        """Compute the gradient of each node's weighted mean log loss.

        Args:
            parameters: parameters (n, size).
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.

        Returns:
            Gradient (n, size).
        """
        return self.gradient(parameters, x, self.pull(self.logits(parameters, x), y, weight))

    def pull(self, logits: Array, y: Labels, weight: Array) -> Array:
        """Compute the derivative of the weighted mean log loss with respect to the logits.

        It is (probability - one-hot label) times the row's share of the weights of its node.

        Args:
            logits: logits (n, m, classes - 1).
            y: labels (n, m).
            weight: weight (n, m) of each row.

        Returns:
            Derivative (n, m, classes - 1).
        """
        error = softmax(with_first(logits), axis=-1)[..., 1:] - one_hot(y, self.classes)[..., 1:]
        return np.asarray(error * shares(weight)[..., None])

    def descend(
        self, parameters: Array, x: Array, y: Labels, weight: Array, adam: "Adam", steps: int
    ) -> Array:
        """Take full-batch steps of Adam on the log loss.

        Args:
            parameters: parameters (n, size) to start from.
            x: features (n, m, ...).
            y: labels (n, m).
            weight: weight (n, m) of each row.
            adam: the optimizer; its moments are updated.
            steps: number of steps.

        Returns:
            Parameters (n, size) after the steps. Nodes without a row keep their parameters.
        """
        moving = adam.who
        adam.who = moving & weight.any(axis=1)
        for _ in range(steps):
            gradient = self.loss_gradient(parameters, x, y, weight)
            gradient[:, : adam.frozen] = 0
            parameters = adam.step(parameters, gradient)
        adam.who = moving
        return parameters


def with_first(logits: Array) -> Array:
    """Put the logit 0 of the first class in front of the other logits.

    Args:
        logits: logits (..., classes - 1) of the other classes.

    Returns:
        Logits (..., classes).

    Example:
        >>> with_first(np.array([[1.0, 2.0]])).tolist()
        [[0.0, 1.0, 2.0]]
    """
    return np.concatenate([np.zeros((*logits.shape[:-1], 1)), logits], axis=-1)


def one_hot(y: Labels, classes: int) -> Array:
    """Encode labels as arrays of 0 and 1.

    Args:
        y: labels (...) from 0.
        classes: number of classes.

    Returns:
        Array (..., classes) with 1 at the label.
    """
    return np.eye(classes)[y]


def shares(weight: Array) -> Array:
    """Scale the weights of rows so that they sum to 1 over each node.

    Args:
        weight: weights (n, m).

    Returns:
        Shares (n, m); 0 where all weights of the node are 0.

    Example:
        >>> shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
        [[0.25, 0.75], [0.0, 0.0]]
    """
    total = added(weight)[:, None]
    return np.asarray(weight / np.where(total > 0, total, 1))


def added(rows: Array) -> Array:
    """Add values row by row, so that the padding of a batch does not change the last bit.

    Args:
        rows: values (..., m), 0 where a row is padding.

    Returns:
        Sums (...); 0 without rows.

    Example:
        >>> added(np.array([[0.1, 0.2, 0.0], [0.0, 0.0, 0.0]])).round(1).tolist()
        [0.3, 0.0]
    """
    return np.asarray(rows.cumsum(axis=-1)[..., -1:].sum(axis=-1))


def mean_loss(network: "Network", models: Array, x: Array, y: Labels, share: Array) -> Array:
    """Compute the mean log loss of models on rows.

    Args:
        network: the network.
        models: models (n, size).
        x: features (n, m, ...).
        y: labels (n, m).
        share: share (n, m) of each row, as by ``shares``; 0 where it is padding.

    Returns:
        Losses (n,) in nats; 0 without rows.
    """
    return added(np.where(share > 0, log_loss(network.logits(models, x), y) * share, 0))


def evenly(rows: NDArray[Kind], most: int) -> NDArray[Kind]:
    """Choose rows at even distances.

    Args:
        rows: rows (m, ...).
        most: largest number of rows; 0: all.

    Returns:
        Rows (at most ``most``, ...), the first and the last among them.

    Example:
        >>> evenly(np.arange(5), most=3).tolist()
        [0, 2, 4]
    """
    if not most or len(rows) <= most:
        return rows
    chosen = np.linspace(0, len(rows) - 1, most).astype(int)
    return np.take(rows, chosen, axis=0)


def log_likelihood(probability: Array, y: Labels, floor: float) -> Array:
    """Compute the log probability of labels, smoothed so that it is finite.

    A probability p becomes (1 - classes * floor) * p + floor.

    Args:
        probability: probabilities (..., classes).
        y: labels (...).
        floor: probability added for every class; a number, or an array that fits the labels.

    Returns:
        Log probability (...) of each label in nats.

    Example:
        0.8 * 0.75 + 0.1 is 0.7.

        >>> probability = np.array([[[0.25, 0.75]]])
        >>> np.exp(log_likelihood(probability, np.array([[1]]), floor=0.1)).round(2).tolist()
        [[0.7]]
    """
    classes = probability.shape[-1]
    of_label = np.take_along_axis(probability, y[..., None], axis=-1)[..., 0]
    return np.asarray(np.log((1 - classes * floor) * of_label + floor))


def log_loss(logits: Array, y: Labels) -> Array:
    """Compute the log loss of each row.

    Args:
        logits: logits (n, m, classes - 1) of every class but the first.
        y: labels (n, m).

    Returns:
        Log loss (n, m) in nats.

    Example:
        >>> log_loss(np.array([[[0.0]]]), np.array([[1]])).round(3).tolist()  # log 2
        [[0.693]]
    """
    log_probability = log_softmax(with_first(logits), axis=-1)
    return np.asarray(-np.take_along_axis(log_probability, y[..., None], axis=-1)[..., 0])


class Adam:
    """The optimizer Adam for the models of all nodes, with moments that start at 0.

    Only nodes in the mask ``who`` (n,) move; the others keep their parameters and moments.

    Args:
        shape: shape (n, size) of the parameters.
        rate: learning rate; ``rate`` may later become an array (n, 1), a rate for each node.
        frozen: number of the first parameters that ``Network.descend`` leaves unchanged.

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
        self.mean = np.zeros(shape)
        self.square = np.zeros(shape)

    def step(self, parameters: Array, gradient: Array) -> Array:
        """Take one step against the gradient.

        Args:
            parameters: parameters (n, size).
            gradient: gradient (n, size) of the loss.

        Returns:
            Parameters (n, size) after the step.
        """
        self.steps += 1
        who = self.who[:, None]
        self.mean = np.where(who, FAST * self.mean + (1 - FAST) * gradient, self.mean)
        self.square = np.where(who, SLOW * self.square + (1 - SLOW) * gradient**2, self.square)
        mean = self.mean / (1 - FAST**self.steps)
        square = self.square / (1 - SLOW**self.steps)
        stepped = parameters - self.rate * mean / (np.sqrt(square) + TINY)
        return np.asarray(np.where(who, stepped, parameters))

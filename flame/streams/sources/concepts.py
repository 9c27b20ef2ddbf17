"""Synthetic concepts between which a stream changes: features and labels with a known truth.

``sine``, ``circle``, ``sea``, ``stagger`` and ``hyperplane`` are boundaries in a few features.
``digits-turned`` and ``digits-swapped`` are the handwritten digits of UCI that are part of
scikit-learn, rotated by quarters of a circle, or with pairs of labels swapped.

Reference:
    SINE and CIRCLE as in Jothimurugesan 2023 (FedDrift, arXiv:2206.00799) and Gama 2004, SEA as in
    Street 2001, STAGGER as in Schlimmer 1986, hyperplanes as in Hulten 2001.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

from flame.core.registry import Registry
from flame.streams.networks.base import Array, Labels

_SEA = (8.0, 9.0, 7.0, 9.5)
"""Largest sum of the first two features that has label 1, for each concept."""
_CIRCLES = ((0.2, 0.5, 0.15), (0.6, 0.5, 0.25))
"""Centre and radius of the circle of each concept; label 1 lies outside."""
_STAGGER = 3
"""Number of STAGGER's concepts."""
_LEVELS = 3
"""Values of each of STAGGER's features: size, colour and shape."""
_SWAPS = ((), ((1, 2),), ((3, 4),), ((5, 6),))
"""Pairs of digits whose labels are swapped in each concept."""


@dataclass(frozen=True)
class Between:
    """A concept, or a point between two concepts.

    Args:
        old: number of the concept before.
        new: number of the concept after.
        share: how far the concept has moved from ``old`` to ``new``, 0 to 1.
    """

    old: int
    new: int
    share: float

    @property
    def nearest(self) -> int:
        """Number of the nearer of the two concepts."""
        return self.new if self.share >= 0.5 else self.old

    def of(self, values: Array) -> Array:
        """Interpolate linearly between the rows ``old`` and ``new`` of a table.

        Args:
            values: a row for each concept (concepts, ...).

        Returns:
            The interpolated row (...).

        Example:
            >>> Between(0, 1, 0.25).of(np.array([8.0, 9.0])).item()
            8.25
        """
        return np.asarray((1 - self.share) * values[self.old] + self.share * values[self.new])


@dataclass(frozen=True)
class Source:
    """A family of synthetic concepts that differ in their labels or in their features.

    Args:
        concepts: number of concepts.
        classes: number of classes.
        features: draws raw features (count, ...) from a count and a random generator.
        label: computes labels (count,) of raw features under a concept.
        seen: computes the features (count, ...) that a node receives from raw features under a
            concept.
        continuous: whether a concept can lie between two others.

    Example:
        A row of ``sea`` has label 1 where its first two raw features sum to 8 or less in concept 0,
        and to 9 or less in concept 1.

        >>> x = np.array([[4.0, 4.5, 0.0]])
        >>> [SOURCES["sea"].label(x, Between(c, c, 0.0)).item() for c in (0, 1)]
        [0, 1]
    """

    concepts: int
    classes: int
    features: Callable[[int, np.random.Generator], Array]
    label: Callable[[Array, "Between"], Labels]
    seen: Callable[[Array, "Between"], Array]
    continuous: bool = False


SOURCES: Registry[Source] = Registry("stream source")


def _uniform(features: int, low: float, high: float) -> Callable[..., Array]:
    return lambda count, rng: np.asarray(rng.uniform(low, high, (count, features)))


def _scaled(low: float, high: float) -> Callable[[Array, "Between"], Array]:
    """Scale uniform features to mean 0 and variance 1."""
    return lambda x, at: (x - (low + high) / 2) * np.sqrt(12) / (high - low)


def _sine(x: Array, at: Between) -> Labels:
    return np.asarray((x[:, 1] <= np.sin(x[:, 0])) != bool(at.nearest), np.int64)


def _circle(x: Array, at: Between) -> Labels:
    a, b, radius = at.of(np.array(_CIRCLES))
    return np.asarray((x[:, 0] - a) ** 2 + (x[:, 1] - b) ** 2 > radius**2, np.int64)


def _sea(x: Array, at: Between) -> Labels:
    return np.asarray(x[:, 0] + x[:, 1] <= at.of(np.array(_SEA)), np.int64)


def _hyperplane(x: Array, at: Between) -> Labels:
    normals = np.stack([np.random.default_rng([5, c]).normal(size=5) for c in range(4)])
    return np.asarray((x - 0.5) @ at.of(normals) > 0, np.int64)


def _stagger_features(count: int, rng: np.random.Generator) -> Array:
    return rng.integers(0, _LEVELS, (count, 3)).astype(float)


def _stagger(x: Array, at: Between) -> Labels:
    size, colour, shape = x.T
    rules = ((size == 0) & (colour == 0), (colour == 1) | (shape == 1), (size == 1) | (size == 2))
    return np.asarray(rules[at.nearest], np.int64)


def _stagger_seen(x: Array, at: Between) -> Array:
    return np.asarray(np.eye(_LEVELS)[x.astype(int)].reshape(len(x), -1))


@cache
def _digits() -> tuple[Array, Labels]:
    images, labels = load_digits(return_X_y=True)
    return np.asarray(images, float) / 8 - 1, np.asarray(labels, np.int64)


def _digit_features(count: int, rng: np.random.Generator) -> Array:
    return rng.integers(0, len(_digits()[1]), count).astype(float)


def _digit_label(x: Array, at: Between) -> Labels:
    return np.asarray(_digits()[1][x.astype(int)])


def _swapped_label(x: Array, at: Between) -> Labels:
    labels = np.arange(10)
    for first, second in _SWAPS[at.nearest]:
        labels[[first, second]] = second, first
    return np.asarray(labels[_digit_label(x, at)], np.int64)


def _image(x: Array, at: Between) -> Array:
    return np.asarray(_digits()[0][x.astype(int)])


def _turned(x: Array, at: Between) -> Array:
    images = _image(x, at).reshape(-1, 8, 8)
    turned = rotate(
        images,
        float(at.of(np.array([0.0, 90.0, 180.0, 270.0]))),
        axes=(1, 2),
        reshape=False,
        order=1,
        cval=-1.0,
    )
    return np.asarray(turned.reshape(len(x), -1))


_UNIT = _scaled(0, 1)
SOURCES.register("sine")(Source(2, 2, _uniform(2, 0, 1), _sine, _UNIT))
SOURCES.register("circle")(Source(2, 2, _uniform(2, 0, 1), _circle, _UNIT, continuous=True))
SOURCES.register("sea")(Source(4, 2, _uniform(3, 0, 10), _sea, _scaled(0, 10), continuous=True))
SOURCES.register("hyperplane")(Source(4, 2, _uniform(5, 0, 1), _hyperplane, _UNIT, continuous=True))
SOURCES.register("stagger")(Source(_STAGGER, 2, _stagger_features, _stagger, _stagger_seen))
SOURCES.register("digits-turned")(
    Source(4, 10, _digit_features, _digit_label, _turned, continuous=True)
)
SOURCES.register("digits-swapped")(Source(len(_SWAPS), 10, _digit_features, _swapped_label, _image))

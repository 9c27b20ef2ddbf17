"""What a gossip method is: how a node's model and those it hears become its next one.

Models are rows of a matrix (n, p), a node each, so that hundreds of nodes are one product. A method
is a frozen dataclass whose fields are its options; what it remembers is in the ``NodeStates``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flame.core.config import Section, build
from flame.core.registry import Registry

Array = NDArray[np.float64]
_NOTHING = 1e-6
GOSSIP = "gossip"
"""The strategy of ``flame train`` by which sites learn peer to peer."""
PER_SITE = ("dpsgd", "clipped-gossip", "neighbour-trimmed-mean")
"""Methods of which a site needs no more than its neighbours' models of the round."""


@dataclass(frozen=True, eq=False)
class NodeStates:
    """The models of all nodes (n, p), and a method's own arrays, whose rows are nodes too."""

    models: Array
    memory: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Round:
    """Who is heard: ``weights`` (n, n) as planned, and what ``arrived``.

    Weights are doubly stochastic; where the method is push-sum, their rows alone sum to 1.
    ``arrived`` (n, n) is True where row i got what column j sent; where nothing is lost, wherever
    there is a weight. ``participating`` (n,) says who takes part at all. ``rng`` is for methods
    that draw.
    """

    weights: Array
    arrived: NDArray[np.bool_]
    participating: NDArray[np.bool_]
    rng: np.random.Generator

    @property
    def hears(self) -> NDArray[np.bool_]:
        """Where row i would get what column j sends, if nothing were lost: (n, n)."""
        found = (self.weights > 0) & self.participating[:, None] & self.participating
        np.fill_diagonal(found, val=False)
        return found

    @property
    def kept(self) -> Array:
        """The weights with those of lost messages given to the node itself."""
        found = np.where(self.arrived, self.weights, 0.0)
        np.fill_diagonal(found, 0.0)
        return np.asarray(found + np.diag(1 - found.sum(axis=1)))

    def by(self, counts: Array) -> Array:
        """Shares (n, n) of those that are heard by what each counts (n,); rows sum to 1.

        One that counts nothing hardly weighs where another counts something, and still passes on.
        """
        heard = np.where(self.arrived, self.weights, 0.0) * np.maximum(counts, _NOTHING)
        return np.asarray(heard / heard.sum(axis=1, keepdims=True))


class Method(Section):
    """Turns models before and after local training into the next ones; changes no argument.

    A ``lossless`` one is only for links that never change and lose nothing.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"liars": "num_byzantine", "rate": "step_size"}

    lossless: ClassVar[bool] = False

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """The next swarm; ``trained`` (n, p) are the models after the round's local training."""
        raise NotImplementedError

    def check(self, heard: NDArray[np.int_]) -> None:
        """BadInput where it could do nothing for nodes that hear so many others (n,)."""

    def numbers(self, size: int, now: Round) -> Array:
        """Numbers (n,) that each node sends in a round, of models of ``size`` parameters."""
        return np.asarray(size * now.hears.sum(axis=0), float)


METHODS: Registry[type[Method]] = Registry("gossip method")


def open_method(name: str, options: Mapping[str, float]) -> Method:
    """The method with its options."""
    return build(METHODS[name], dict(options), f"gossip method '{name}'", "gossip.options.")

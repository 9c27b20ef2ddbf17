"""Topologies of peer-to-peer learning: directed graphs of nodes, their weights and spectral gap.

Links are a matrix (n, n): True in row i and column j where node i receives from node j. The
diagonal is False.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.io.tables import read_table

Links = NDArray[np.bool_]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Size, round and options of a topology.

    Args:
        nodes: number n of nodes.
        round: number of the round, from 0.
        seed: decides which links are drawn.
        degree: neighbours of each node, where the topology has this option.
        probability: probability of a link, where the topology draws links.
    """

    nodes: int
    round: int = 0
    seed: int = 0
    degree: int = 4
    probability: float = 0.3


TOPOLOGIES: Registry[Callable[[Shape], Links]] = Registry("topology")
"""Topologies by the name that ``gossip.topology`` selects."""
CHANGING = ("matching", "one-peer-exponential")
"""Topologies whose links change from round to round."""


def links_of(name: str, shape: Shape) -> Links:
    """Build the links of a topology.

    Args:
        name: name of a registered topology.
        shape: number of nodes, round and options.

    Returns:
        Links (n, n).

    Raises:
        BadInput: the topology is unknown or cannot have so many nodes.

    Example:
        >>> links_of("ring", Shape(4)).astype(int).tolist()
        [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    """
    if shape.nodes < 2:
        raise BadInput("a topology needs 2 nodes or more")
    return TOPOLOGIES[name](shape)


def _links(graph: "nx.Graph[object]") -> Links:
    links: Links = nx.to_numpy_array(graph, weight=None).astype(bool)
    np.fill_diagonal(links, val=False)
    return links


def _power_of_two(shape: Shape) -> int:
    power = shape.nodes.bit_length() - 1
    if shape.nodes != 2**power:
        raise BadInput(f"this topology needs 2, 4, 8, ... nodes, not {shape.nodes}")
    return power


@TOPOLOGIES.register("full")
def full(shape: Shape) -> Links:
    """Link all nodes with each other.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).
    """
    return _links(nx.complete_graph(shape.nodes))


@TOPOLOGIES.register("ring")
def ring(shape: Shape) -> Links:
    """Link each node to the one before and the one after it.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).
    """
    return _links(nx.circulant_graph(shape.nodes, [1]))


@TOPOLOGIES.register("line")
def line(shape: Shape) -> Links:
    """Build an open ring, whose first and last nodes have one neighbour.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).
    """
    return _links(nx.path_graph(shape.nodes))


@TOPOLOGIES.register("star")
def star(shape: Shape) -> Links:
    """Link the first node to all others.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).
    """
    return _links(nx.star_graph(shape.nodes - 1))


@TOPOLOGIES.register("torus")
def torus(shape: Shape) -> Links:
    """Build a grid with periodic edges that is as square as possible.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).

    Raises:
        BadInput: the number of nodes is prime, so that the grid would be a ring.
    """
    rows = max(r for r in range(1, int(shape.nodes**0.5) + 1) if shape.nodes % r == 0)
    if rows == 1:
        raise BadInput(
            f"a torus of {shape.nodes} nodes would be a ring; choose another number of nodes, or "
            "gossip.topology = 'ring'"
        )
    return _links(nx.grid_2d_graph(rows, shape.nodes // rows, periodic=True))


@TOPOLOGIES.register("hypercube")
def hypercube(shape: Shape) -> Links:
    """Link nodes whose numbers differ in one bit.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).

    Raises:
        BadInput: the number of nodes is not a power of two.
    """
    return _links(nx.hypercube_graph(_power_of_two(shape)))


@TOPOLOGIES.register("exponential")
def exponential(shape: Shape) -> Links:
    """Let each node receive from the nodes 1, 2, 4, ... before it.

    Args:
        shape: number of nodes.

    Returns:
        Links (n, n).

    Reference:
        Ying 2021, arXiv:2110.13363.
    """
    hops = [2**k for k in range((shape.nodes - 1).bit_length())]
    return _links_by_hops(shape.nodes, hops)


@TOPOLOGIES.register("one-peer-exponential")
def one_peer_exponential(shape: Shape) -> Links:
    """Let each node receive from one node, by round in turn 1, 2, 4, ... before it.

    Args:
        shape: number of nodes and the round.

    Returns:
        Links (n, n).
    """
    return _links_by_hops(shape.nodes, [2 ** (shape.round % (shape.nodes - 1).bit_length())])


@TOPOLOGIES.register("erdos-renyi")
def erdos_renyi(shape: Shape) -> Links:
    """Link each pair of nodes with ``probability``, until the links connect all nodes.

    Args:
        shape: number of nodes, probability and seed.

    Returns:
        Links (n, n).

    Raises:
        BadInput: none of 1000 draws connects all nodes.
    """
    for attempt in range(1000):
        graph = nx.gnp_random_graph(shape.nodes, shape.probability, seed=shape.seed + attempt)
        if nx.is_connected(graph):
            return _links(graph)
    raise BadInput(
        f"links with probability {shape.probability:g} never reach all nodes; raise "
        "gossip.probability"
    )


@TOPOLOGIES.register("watts-strogatz")
def watts_strogatz(shape: Shape) -> Links:
    """Build a ring of ``degree`` neighbours, and rewire each link with ``probability``.

    Args:
        shape: number of nodes, degree, probability and seed.

    Returns:
        Links (n, n).

    Raises:
        BadInput: the degree is not 2 to n - 1.
    """
    if not 2 <= shape.degree < shape.nodes:
        raise BadInput(f"gossip.degree must be 2 to {shape.nodes - 1}, not {shape.degree}")
    return _links(
        nx.connected_watts_strogatz_graph(
            shape.nodes, shape.degree, shape.probability, tries=1000, seed=shape.seed
        )
    )


@TOPOLOGIES.register("matching")
def matching(shape: Shape) -> Links:
    """Link random pairs of nodes; of an odd number of nodes one has no neighbour.

    Args:
        shape: number of nodes, seed and the round.

    Returns:
        Links (n, n).
    """
    order = np.random.default_rng([shape.seed, shape.round]).permutation(shape.nodes)
    links = np.zeros((shape.nodes, shape.nodes), bool)
    for first, second in zip(order[::2], order[1::2], strict=False):
        links[first, second] = True
        links[second, first] = True
    return links


def _links_by_hops(nodes: int, hops: list[int]) -> Links:
    links = np.zeros((nodes, nodes), bool)
    for hop in hops:
        links[np.arange(nodes), (np.arange(nodes) - hop) % nodes] = True
    np.fill_diagonal(links, val=False)
    return links


def near(latitude: Array, longitude: Array, degree: int) -> Links:
    """Link places to the nearest ones, and so that the links connect all places.

    The links are those of the minimum spanning tree of great-circle distances, and from each place
    to its nearest ones.

    Args:
        latitude: latitude (n,) in degrees.
        longitude: longitude (n,) in degrees.
        degree: number of nearest places that each is linked to.

    Returns:
        Symmetric links (n, n).
    """
    lat = np.radians(latitude)
    lon = np.radians(longitude)
    haversine = np.sin((lat[:, None] - lat) / 2) ** 2
    haversine += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    distance = 2 * np.arcsin(np.sqrt(np.clip(haversine, 0, 1)))
    complete = nx.from_numpy_array(distance + 1e-12)  # networkx would drop edges of length 0
    links = _links(nx.minimum_spanning_tree(complete))
    nearest = np.argsort(distance + np.diag(np.full(len(lat), np.inf)), axis=1)[:, :degree]
    links[np.arange(len(lat))[:, None], nearest] = True
    return links | links.T


def read_links(path: Path, names: tuple[str, ...]) -> Links:
    """Read links from a CSV file.

    The file has a header and two columns: a node, and one that it receives from.
    A link in both directions is two rows.

    Args:
        path: the file.
        names: names of all nodes, in the order of the matrix.

    Returns:
        Links (n, n).

    Raises:
        BadInput: the file has one column or no header, or names an unknown node.
    """
    table = read_table(path, [])
    if table.shape[1] < 2:
        raise BadInput(f"{path} needs two columns: a node, and a node that it receives from")
    row_of = {name: row for row, name in enumerate(names)}
    if {str(name) for name in table.columns[:2]} <= set(row_of):
        raise BadInput(f"{path}: the first line is a link; put a header before it: node,hears")
    links = np.zeros((len(names), len(names)), bool)
    for receiver, sender in table.iloc[:, :2].itertuples(index=False):
        for name in (receiver, sender):
            if str(name) not in row_of:
                raise BadInput(f"{path}: unknown node '{name}'; the nodes are {', '.join(names)}")
        links[row_of[str(receiver)], row_of[str(sender)]] = True
    np.fill_diagonal(links, val=False)
    return links


def weights_of(links: Links) -> Array:
    """Compute the mixing weights of links.

    Symmetric links have Metropolis weights: W_ij = 1 / (1 + max(d_i, d_j)) with the degrees d.
    Other links have equal weights.

    Args:
        links: links (n, n).

    Returns:
        Doubly stochastic weights W (n, n), with weights of the nodes' own models on the diagonal.

    Raises:
        BadInput: the links are not symmetric, and nodes differ in how many nodes they receive from
            or send to. Only push-sum can use such links.

    Reference:
        Xiao 2007, 10.1016/j.jpdc.2006.08.010.

    Example:
        >>> (3 * weights_of(line(Shape(3)))).round().astype(int).tolist()
        [[2, 1, 0], [1, 1, 1], [0, 1, 2]]
    """
    degree = links.sum(axis=1)
    if (links == links.T).all():
        weights = np.where(links, 1 / (1 + np.maximum(degree[:, None], degree)), 0.0)
        return np.asarray(weights + np.diag(1 - weights.sum(axis=1)))
    if len(set(degree)) > 1 or len(set(links.sum(axis=0)) | set(degree)) > 1:
        raise BadInput(
            "links are one-way, and nodes receive from or send to different numbers of nodes: set "
            "gossip.method = 'push-sum'"
        )
    return np.asarray((links + np.eye(len(links))) / (1 + degree[0]))


def spectral_gap(weights: Array) -> float:
    """Compute the smallest share of the disagreement between nodes that one round removes.

    Args:
        weights: doubly stochastic mixing matrix W (n, n).

    Returns:
        1 - ||W - J/n||_2, where J is the matrix of ones.

    Example:
        >>> round(spectral_gap(weights_of(line(Shape(3)))), 3)
        0.333
    """
    return float(1 - np.linalg.norm(weights - 1 / len(weights), 2))

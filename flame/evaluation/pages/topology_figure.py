"""Figure of the gossip graph: each topology in the form that its name says, places on a map."""

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from flame.evaluation.pages.figures import to_svg
from flame.federation.gossip.network import PLACES, GossipNetwork

Array = NDArray[np.float64]

_NODES_DRAWN = 60
"""Largest number of nodes with a Kamada-Kawai layout; larger graphs get a faster spring layout."""
_NAMED = 24
"""Largest number of nodes whose names are drawn."""


def topology_figure(
    peers: GossipNetwork, names: tuple[str, ...], places: Array | None = None
) -> str:
    """Draw the gossip graph of the first round, with arrows unless all links go both ways.

    Args:
        peers: the gossip network.
        names: names of the nodes.
        places: latitude and longitude (n, 2) in degrees; None: the nodes have no places.

    Returns:
        The figure as an SVG element.
    """
    links = peers.links(0)
    both = bool((links == links.T).all())
    on_map = places is not None and peers.config.topology == PLACES
    at = _map(places) if on_map and places is not None else _layout(peers.config.topology, links)
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axis = figure.add_subplot()
    for receiver, sender in np.argwhere(np.triu(links) if both else links):
        bent = peers.config.topology == "torus" and np.abs(at[receiver] - at[sender]).max() > 1.5
        _link(axis, at[sender], at[receiver], arrow=not both, bent=bent)
    named = len(names) <= _NAMED
    axis.plot(*at.T, "o", color="#1f6fb2", ms=8 if named else 4, mec="white")
    for name, place in zip(names if named else (), at, strict=False):
        axis.annotate(
            name,
            place,
            (0, 7),
            textcoords="offset points",
            ha="left" if peers.config.topology == "line" else "center",
            rotation=60 if peers.config.topology == "line" else 0,
            fontsize=8,
        )
    axis.margins(0.12)
    if on_map:
        axis.set(xlabel="longitude, degrees", ylabel="latitude, degrees")
        mean = float(np.cos(np.radians(at[:, 1].mean())))
        axis.set_aspect(1 / max(mean, 0.05))
    else:
        axis.set_aspect("equal")
        axis.set_axis_off()
    shown = "; ".join(
        f"{name} receives from {', '.join(np.array(names)[row]) or 'nobody'}"
        for name, row in zip(names if named else (), links, strict=False)
    )
    return to_svg(figure, "topology", shown or f"{peers.config.topology} of {len(names)} nodes")


def _link(axis: Axes, start: Array, end: Array, arrow: bool, bent: bool) -> None:
    axis.add_patch(
        FancyArrowPatch(
            tuple(start),
            tuple(end),
            arrowstyle="-|>" if arrow else "-",
            connectionstyle=f"arc3,rad={0.25 if bent else 0.08 if arrow else 0}",
            mutation_scale=9,
            shrinkA=4,
            shrinkB=5,
            color="#7a8793",
            lw=0.8,
        )
    )


def _map(places: Array) -> Array:
    """Return longitude and latitude (n, 2) of each node."""
    return np.asarray(places[:, ::-1])


def _layout(topology: str, links: NDArray[np.bool_]) -> Array:
    """Return where each node (n, 2) is drawn."""
    count = len(links)
    if topology == "line":
        return np.column_stack([np.arange(count, dtype=float), np.zeros(count)])
    if topology == "torus":
        rows = max(r for r in range(1, int(count**0.5) + 1) if count % r == 0)
        row, column = np.divmod(np.arange(count), count // rows)
        return np.column_stack([column, -row]).astype(float)
    if topology == "star":
        return np.vstack([[0.0, 0.0], _circle(count - 1)])
    if topology == "hypercube":
        bits = np.array(
            [[n >> b & 1 for b in range(max(count.bit_length() - 1, 1))] for n in range(count)]
        )
        steps = np.array([[1, 0], [0, 1], [0.45, 0.35], [2.4, 0.3], [0.3, 2.4], [5.5, 1.0]])
        return np.asarray(bits @ np.resize(steps, (bits.shape[1], 2)), float)
    if topology in ("file", "erdos-renyi"):
        graph = nx.from_numpy_array(links | links.T)
        few = count <= _NODES_DRAWN
        spread = nx.kamada_kawai_layout(graph) if few else nx.spring_layout(graph, seed=0)
        return np.array([spread[node] for node in range(count)])
    return _circle(count)


def _circle(count: int) -> Array:
    angle = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    return np.column_stack([np.cos(angle), np.sin(angle)])

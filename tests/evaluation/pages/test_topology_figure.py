"""The drawn graph: every link once, and places where a map has them."""

import re

import numpy as np
import pytest

from flame.evaluation.pages.topology_figure import topology_figure
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.gossip.topology import near


def drawn(svg: str) -> int:
    """Count the curves and lines that are links: patches, but no marker and no frame."""
    return len(re.findall(r'id="topology-patch_\d+"', svg)) - 1  # the background is a patch, too


@pytest.mark.parametrize(
    ("topology", "count", "links"),
    [("ring", 3, 3), ("ring", 80, 80), ("line", 5, 4), ("star", 6, 5), ("torus", 12, 24)],
)
def test_every_link_is_drawn_once(topology: str, count: int, links: int) -> None:
    names = tuple(f"n{i}" for i in range(count))
    network = GossipNetwork(GossipConfig(topology=topology), names, None)
    svg = topology_figure(network, names)
    assert drawn(svg) == links
    assert "nan" not in svg
    assert (">n0</text>" in svg) == (count <= 24)


def test_links_one_way_are_arrows() -> None:
    names = tuple("abcdefgh")
    network = GossipNetwork(GossipConfig(topology="exponential"), names, None)
    # Each of 8 nodes receives from those 1, 2 and 4 before it.
    assert drawn(topology_figure(network, names)) == 24


def test_places_lie_on_a_map() -> None:
    places = np.array([[52.5, 13.4], [48.1, 11.6], [53.6, 10.0]])  # Berlin, Munich, Hamburg
    links = near(places[:, 0], places[:, 1], 1)
    names = ("Berlin", "Munich", "Hamburg")
    network = GossipNetwork(GossipConfig(topology="places", degree=1), names, links)
    svg = topology_figure(network, names, places)
    assert "latitude, degrees" in svg
    at = {n: float(re.findall(rf'x="([\d.]+)"[^>]*>{n}<', svg)[0]) for n in names}
    assert at["Hamburg"] < at["Munich"] < at["Berlin"]  # west to east

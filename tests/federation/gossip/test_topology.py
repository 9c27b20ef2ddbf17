"""Spectral gaps of the literature and of closed forms; weights that keep the mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame.core.errors import BadInput
from flame.federation.gossip.topology import (
    CHANGING,
    TOPOLOGIES,
    Shape,
    links_of,
    near,
    spectral_gap,
    weights_of,
)


def gap(name: str, nodes: int) -> float:
    return spectral_gap(weights_of(links_of(name, Shape(nodes))))


@pytest.mark.parametrize("name", list(TOPOLOGIES))
@pytest.mark.parametrize("nodes", [16, 64])
def test_every_topology_keeps_the_mean_and_reaches_all(name: str, nodes: int) -> None:
    together = np.eye(nodes)
    for number in range(80):  # a line of 64 takes 63
        links = links_of(name, Shape(nodes, round=number))
        assert not links.diagonal().any()
        weights = weights_of(links)
        assert (weights >= 0).all()
        assert np.allclose(weights.sum(axis=0), 1)
        assert np.allclose(weights.sum(axis=1), 1)
        together = weights @ together
    assert (together > 0).all()


@pytest.mark.parametrize("name", list(TOPOLOGIES))
def test_those_that_change_are_declared(name: str) -> None:
    rounds = [links_of(name, Shape(16, round=number)) for number in range(8)]
    assert (name in CHANGING) == any((links != rounds[0]).any() for links in rounds)


@pytest.mark.parametrize("nodes", [5, 16, 64])
def test_gaps_of_closed_forms(nodes: int) -> None:
    # Eigenvalues of a circulant matrix: (1 + 2 cos(2 pi k / n)) / 3.
    assert gap("ring", nodes) == pytest.approx(2 / 3 * (1 - np.cos(2 * np.pi / nodes)))
    assert gap("full", nodes) == pytest.approx(1)
    assert gap("star", nodes) == pytest.approx(1 / nodes)
    # A path's: (1 + 2 cos(pi k / n)) / 3.
    assert gap("line", nodes) == pytest.approx(2 / 3 * (1 - np.cos(np.pi / nodes)))


@pytest.mark.parametrize(
    ("name", "sixteen", "sixty_four"),
    [
        ("ring", 0.0507, 0.0032),
        ("line", 0.0128, 0.0008),
        ("star", 0.0625, 0.0156),
        ("torus", 0.4, 0.1172),
        ("hypercube", 0.4, 0.2857),
        ("exponential", 0.4, 0.2857),
    ],
)
def test_gaps_measured_elsewhere(name: str, sixteen: float, sixty_four: float) -> None:
    assert gap(name, 16) == pytest.approx(sixteen, abs=5e-5)
    assert gap(name, 64) == pytest.approx(sixty_four, abs=5e-5)


def test_one_peer_each_reaches_consensus_in_log2_n_rounds() -> None:
    x = np.random.default_rng(0).normal(size=(32, 3))
    mixed = x
    for number in range(5):
        mixed = weights_of(links_of("one-peer-exponential", Shape(32, round=number))) @ mixed
    assert np.allclose(mixed, x.mean(axis=0), atol=1e-12)


@given(st.integers(2, 40), st.integers(0, 1000))
def test_random_graphs_are_whole_and_repeatable(nodes: int, seed: int) -> None:
    shape = Shape(nodes, seed=seed, degree=2, probability=0.5)
    links = links_of("erdos-renyi", shape)
    assert (links == links_of("erdos-renyi", shape)).all()
    assert spectral_gap(weights_of(links)) > 0
    pairs = links_of("matching", shape)
    assert (pairs.sum(axis=1) <= 1).all()
    assert pairs.sum() == nodes - nodes % 2


def test_degrees_of_longitude_are_shorter_in_the_north() -> None:
    """At 60 degrees two of them are 111 km, as one of latitude; the third place is 144 km away."""
    links = near(np.array([60.0, 60.0, 61.2]), np.array([0.0, 2.0, 1.0]), 1)
    assert links[0, 1]


def test_places_hear_the_nearest_and_all_are_reached() -> None:
    # Beijing and Tianjin are near, Lhasa and Shigatse are, and the two pairs are far apart.
    latitude, longitude = np.array([39.9, 39.1, 29.7, 29.3]), np.array([116.4, 117.2, 91.1, 88.9])
    links = near(latitude, longitude, 1)
    assert links[0, 1]
    assert links[2, 3]
    assert not links[1, 3]
    assert links[0, 2]  # the shortest way between the pairs: Beijing to Lhasa
    assert (links == links.T).all()
    assert near(np.zeros(3), np.zeros(3), 1).sum() >= 4


def test_what_cannot_be() -> None:
    for name, shape, message in (
        ("rng", Shape(4), "did you mean 'ring'"),
        ("ring", Shape(1), "2 nodes or more"),
        ("hypercube", Shape(12), "2, 4, 8, ... nodes, not 12"),
        ("torus", Shape(7), "would be a ring"),
        ("watts-strogatz", Shape(4, degree=5), "degree must be 2 to 3"),
        ("erdos-renyi", Shape(20, probability=0.0), "never reach all"),
    ):
        with pytest.raises(BadInput, match=message):
            links_of(name, shape)
    one_way = np.zeros((3, 3), bool)
    one_way[0, 1] = True
    with pytest.raises(BadInput, match="push-sum"):
        weights_of(one_way)

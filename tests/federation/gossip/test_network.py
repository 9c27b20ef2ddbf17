"""Rounds: what is lost, who is away, links of files, and how far news travel."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.method import NodeStates
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.gossip.push_sum import PushSum

NAMES = tuple("abcdefgh")


def peers(**given: object) -> GossipNetwork:
    return GossipNetwork(GossipConfig(**given), NAMES)  # type: ignore[arg-type]


def test_a_round_is_the_same_whenever_it_is_asked_for() -> None:
    one, other = peers(loss=0.5), peers(loss=0.5)
    other.round(7)
    assert np.array_equal(one.round(3).arrived, other.round(3).arrived)
    assert not np.array_equal(one.round(3).arrived, one.round(4).arrived)


def test_pairs_change_even_when_the_first_rounds_were_alike() -> None:
    few = GossipNetwork(GossipConfig(topology="matching", seed=38), ("a", "b", "c"))
    weights = [few.round(number).weights for number in range(40)]
    assert all((found == weights[0]).all() for found in weights[:3])
    assert any((found != weights[0]).any() for found in weights)


def test_the_share_of_lost_messages_is_as_declared() -> None:
    lossy, links = peers(loss=0.3), peers().links(0)
    arrived = np.mean([lossy.round(k).arrived[links].mean() for k in range(400)])
    assert abs(arrived - 0.7) < 0.02
    assert all(np.diag(lossy.round(k).arrived).all() for k in range(9))


def test_nodes_leave_and_come_back() -> None:
    away = peers(away={"c": (2, 5, 9)})
    assert [bool(away.participating(k)[2]) for k in range(11)] == [
        True,
        True,
        False,
        False,
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    gone = away.round(3).arrived
    assert not gone[1, 2]
    assert not gone[2, 1]
    assert away.round(6).arrived[1, 2]


def test_a_slow_node_hears_and_is_not_heard() -> None:
    now = peers(slow={"a": 1.0}).round(0)
    assert not now.arrived[1, 0]
    assert now.arrived[0, 1]


@pytest.mark.parametrize(
    ("topology", "rounds"),
    [
        ("ring", 4),
        ("line", 7),
        ("full", 1),
        ("hypercube", 3),
        ("star", 2),
        ("exponential", 3),
        ("one-peer-exponential", 3),
    ],
)
def test_rounds_until_everybody_can_have_heard_of_everybody(topology: str, rounds: int) -> None:
    assert peers(topology=topology).diameter == rounds


@pytest.mark.parametrize("topology", ["star", "line", "erdos-renyi"])
def test_the_gap_of_push_sum_is_what_is_left_of_disagreement_in_the_long_run(topology: str) -> None:
    found, nodes = peers(topology=topology, method="push-sum"), 8
    start = np.random.default_rng(0).normal(size=(nodes, 1))
    method, swarm, away = PushSum(), NodeStates(start), list[float]()
    for number in range(36):
        swarm = method.mix(swarm, swarm.models, found.round(number))
        away.append(float(np.abs(swarm.models - start.mean()).max()))
    assert 0 < found.gap < 1
    assert (away[35] / away[15]) ** (1 / 20) == pytest.approx(1 - found.gap, abs=0.01)


def test_the_gap_of_changing_links_is_that_of_the_product_of_rounds() -> None:
    assert peers(topology="one-peer-exponential").gap == pytest.approx(1, abs=1e-4)  # in 3 rounds
    pairs = GossipNetwork(GossipConfig(topology="matching"), tuple("abcdefghijklmnopqrst"))
    rounds, left = 0, np.eye(20) - 1 / 20
    while rounds < 64 and np.linalg.norm(left, 2) > 1e-9:
        left, rounds = pairs.round(rounds).weights @ left, rounds + 1
    assert (1 - pairs.gap) ** rounds == pytest.approx(np.linalg.norm(left, 2), rel=1e-6)
    assert 0.1 < pairs.gap < 0.9
    still = peers(topology="ring")
    assert still.gap == pytest.approx(2 / 3 * (1 - np.cos(2 * np.pi / 8)))


def test_links_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "links.csv"
    pairs = zip("abcdefgh", "bcdefgha", strict=True)
    path.write_text("node,hears\n" + "".join(f"{a},{b}\n" for a, b in pairs))
    found = peers(topology="file", file=str(path), method="push-sum")
    assert found.links(0)[0, 1]
    assert not found.links(0)[1, 0]
    assert found.diameter == 7
    path.write_text("a,b\nb,a\n")
    with pytest.raises(BadInput, match="put a header"):
        peers(topology="file", file=str(path))
    path.write_text("node,hears\na,nobody\n")
    with pytest.raises(BadInput, match=r"links.csv.*nobody"):
        peers(topology="file", file=str(path))


def test_shares_by_counts() -> None:
    now = peers().round(0)
    counts = np.array([3.0, 1, 0, 0, 0, 0, 0, 2])
    assert np.allclose(now.by(counts)[0], [0.5, 1 / 6, 0, 0, 0, 0, 0, 1 / 3], atol=1e-6)
    assert np.allclose(now.by(counts)[4], [0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0])  # all relay


@pytest.mark.parametrize(
    "given",
    [
        {"loss": 1.0},
        {"topology": "file"},
        {"away": {"a": (3, 1)}},
        {"slow": {"a": 2.0}},
        {"away": {"z": (1,)}},
        {"topology": "places"},
        {"method": "choco", "loss": 0.1},
        {"method": "choco", "topology": "matching"},
    ],
)
def test_bad_settings_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        peers(**given)

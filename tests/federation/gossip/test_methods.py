"""Every gossip method against what the literature says it does in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.method import METHODS, NodeStates, Round, open_method
from flame.federation.gossip.neighbour_trimmed_mean import NeighbourTrimmedMean
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.gossip.topology import Shape, links_of, spectral_gap, weights_of

RNG = np.random.default_rng(7)
START = RNG.normal(size=(8, 5))


def test_epidemic_learning_draws_those_that_a_node_sends_to() -> None:
    """De Vos 2023: of a star the middle hears all, and one of the others hears the middle."""
    found = open_method("epidemic", {"peers": 1}).mix(NodeStates(START), START, on("star")).models
    assert np.allclose(found[0], START.mean(axis=0))
    assert (found[1:] != START[1:]).any(axis=1).sum() == 1


def test_a_trimmed_mean_that_nobody_hears_enough_for_is_refused() -> None:
    method = NeighbourTrimmedMean(num_byzantine=1)
    with pytest.raises(BadInput, match="3 others or more, and no node receives from more than 2"):
        method.check(links_of("ring", Shape(8)).sum(axis=1))
    method.check(links_of("star", Shape(4)).sum(axis=1))  # its middle hears three
    NeighbourTrimmedMean(num_byzantine=0).check(links_of("ring", Shape(8)).sum(axis=1))


def on(name: str, nodes: int = 8, lost: float = 0.0, seed: int = 0, number: int = 0) -> Round:
    links = links_of(name, Shape(nodes, round=number))
    rng = np.random.default_rng([seed, number])
    arrived = links & (rng.random(links.shape) >= lost)
    return Round(weights_of(links), arrived, np.ones(nodes, bool), rng)


def mixed(
    name: str, rounds: int, lost: float = 0.0, graph: str = "ring", **options: float
) -> NodeStates:
    """Rounds without any training."""
    method, swarm = open_method(name, options), NodeStates(START)
    for number in range(rounds):
        swarm = method.mix(swarm, swarm.models, on(graph, lost=lost, number=number))
    return swarm


@pytest.mark.parametrize("name", list(METHODS))
def test_of_every_method(name: str) -> None:
    method, now = open_method(name, {}), on("ring")
    same = NodeStates(np.tile(START[0], (8, 1)))
    before = same.models.copy()
    for _ in range(3 if name != "choco" else 300):
        same = method.mix(same, same.models, now)
    assert np.allclose(same.models, before, atol=1e-9)  # agreement is kept
    swarm, kept = NodeStates(START.copy()), START.copy()
    found = method.mix(swarm, START + 1, now)
    assert np.array_equal(swarm.models, kept)  # no argument is changed
    assert found.models.shape == START.shape
    assert np.isfinite(found.models).all()
    again = method.mix(swarm, START + 1, on("ring"))
    assert np.array_equal(found.models, again.models)


@pytest.mark.parametrize("name", ["dpsgd", "push-sum", "clipped-gossip", "gradient-tracking"])
def test_a_doubly_stochastic_round_keeps_the_mean_and_contracts(name: str) -> None:
    options = {"radius": 1e9} if name == "clipped-gossip" else {}
    found = mixed(name, 1, **options).models
    assert np.allclose(found.mean(axis=0), START.mean(axis=0), atol=1e-12)
    apart = np.linalg.norm(found - START.mean(axis=0))
    gap = spectral_gap(on("ring").weights)
    assert apart <= (1 - gap) * np.linalg.norm(START - START.mean(axis=0)) + 1e-12


def test_what_equals_plain_gossip() -> None:
    expected = on("ring").weights @ START
    for name, options in (
        ("dpsgd", {}),
        ("choco", {"share": 1.0, "step_size": 1.0}),
        ("clipped-gossip", {"radius": 1e9}),
        ("neighbour-trimmed-mean", {"num_byzantine": 0}),
        ("epidemic", {"peers": 2}),
        ("push-sum", {}),
        ("dfedavgm", {"momentum": 0.0}),
        ("alike", {"closest": 8}),
    ):
        assert np.allclose(mixed(name, 1, **options).models, expected, atol=1e-12), name


def test_full_graph_from_one_start_is_fedavg() -> None:
    start, trained = np.tile(START[0], (8, 1)), START
    found = open_method("dpsgd", {}).mix(NodeStates(start), trained, on("full")).models
    assert np.allclose(found, START.mean(axis=0), atol=1e-12)


def test_push_sum_finds_the_mean_where_messages_are_lost_and_dpsgd_does_not() -> None:
    for graph in ("ring", "exponential"):
        found = mixed("push-sum", 400, lost=0.3, graph=graph).models
        assert np.allclose(found, START.mean(axis=0), atol=1e-6)
    off = mixed("dpsgd", 400, lost=0.3).models - START.mean(axis=0)
    assert np.abs(off).max() > 1e-3


@pytest.mark.parametrize("name", [name for name in METHODS if not METHODS[name].lossless])
def test_who_is_away_keeps_its_model_and_the_others_go_on(name: str) -> None:
    """Node 3 is away in rounds 5 to 25 of 400, in which every node takes steps towards its own."""
    config = GossipConfig(topology="ring", method=name, away={"3": (5, 25)})
    peers, method = GossipNetwork(config, tuple("01234567")), open_method(name, {})
    swarm, best = NodeStates(np.zeros_like(START)), START.copy()
    for number in range(400):
        now, before = peers.round(number), swarm.models
        step = 0.02 * (best - before) * now.participating[:, None]
        swarm = method.mix(swarm, before + step, now)
        if 5 <= number < 25:
            assert np.array_equal(swarm.models[3], before[3])
        assert np.abs(swarm.models).max() <= 1.5 * np.abs(START).max()
    assert np.abs(swarm.models[3]).max() > 0.1


@pytest.mark.parametrize("topology", ["matching", "one-peer-exponential"])
def test_push_sum_keeps_the_mass_where_links_change_and_nodes_leave(topology: str) -> None:
    config = GossipConfig(topology=topology, method="push-sum", loss=0.2, away={"3": (5, 25)})
    peers, swarm = GossipNetwork(config, tuple("01234567")), NodeStates(START)
    for number in range(300):
        swarm = open_method("push-sum", {}).mix(swarm, swarm.models, peers.round(number))
        whole = swarm.memory["mass"].sum() + swarm.memory["owed"][..., -1].sum()
        assert whole == pytest.approx(8)
    assert np.allclose(swarm.models, START.mean(axis=0), atol=1e-4)


def test_numbers_that_are_sent_by_hand() -> None:
    """On a ring of eight each is heard by two; node 3 is away."""
    there = np.arange(8) != 3
    full, fewer = on("ring"), replace(on("ring"), participating=there)
    heard = [2, 2, 1, 0, 1, 2, 2, 2]
    for name, numbers in (("dpsgd", 100), ("gradient-tracking", 200), ("push-sum", 101)):
        assert open_method(name, {}).numbers(100, fewer).tolist() == [numbers * k for k in heard]
    assert open_method("choco", {"share": 0.1}).numbers(100, full).tolist() == [2 * 10 * 2] * 8
    assert open_method("epidemic", {"peers": 1}).numbers(100, full).tolist() == [100] * 8


def descended(name: str, rounds: int, rate: float) -> np.ndarray:
    """One gradient step a round on (w - START[i])^2 a_i / 2, of another curvature a_i each."""
    curvature = np.linspace(0.5, 2, 8)[:, None]
    method, swarm = open_method(name, {}), NodeStates(np.zeros_like(START))
    for number in range(rounds):
        step = -rate * curvature * (swarm.models - START)
        swarm = method.mix(swarm, swarm.models + step, on("ring", number=number))
        if name == "gradient-tracking":
            tracked, last = swarm.memory["tracked"], swarm.memory["last"]
            assert np.allclose(tracked.sum(axis=0), last.sum(axis=0), atol=1e-9)
    best = (curvature * START).sum(axis=0) / curvature.sum()
    return np.abs(swarm.models - best)


def test_gradient_tracking_reaches_the_optimum_of_all() -> None:
    assert descended("gradient-tracking", 1500, 0.05).max() < 1e-6
    assert descended("dpsgd", 1500, 0.05).max() > 1e-2


def test_momentum_of_equal_steps_is_the_geometric_sum() -> None:
    method, swarm = open_method("dfedavgm", {"momentum": 0.5}), NodeStates(np.zeros((8, 5)))
    for _ in range(3):
        swarm = method.mix(swarm, swarm.models + 1.0, on("ring"))
    assert np.allclose(swarm.models, 1 + 1.5 + 1.75)


def test_those_who_learn_alike_average_with_each_other_alone() -> None:
    way = np.where(np.arange(8)[:, None] < 5, 1.0, -1.0)
    trained = START + 9 * way
    found = open_method("alike", {"closest": 8}).mix(NodeStates(START), trained, on("full")).models
    rest = START[:5].sum(axis=0) + 9 * 5
    assert np.allclose(found[0], rest / 8 + trained[0] * 3 / 8)  # what others would weigh is own
    nearest = (
        open_method("alike", {"closest": 1}).mix(NodeStates(START), trained, on("full")).models
    )
    heard = 8 * nearest[7] - 7 * trained[7]
    assert np.isclose(heard, trained[5:7]).all(axis=1).sum() == 1


def test_choco_agrees_from_a_few_numbers_a_round() -> None:
    found = mixed("choco", 3000, share=0.2, step_size=0.2).models
    assert np.allclose(found, START.mean(axis=0), atol=1e-6)


def test_a_liar_is_bounded() -> None:
    lies = START.copy()
    lies[3] = 1e6
    honest = [i for i in range(8) if i != 3]
    for name, options in (("clipped-gossip", {"radius": 0.5}), ("neighbour-trimmed-mean", {})):
        graph = on("full")
        found = open_method(name, options).mix(NodeStates(START), lies, graph).models[honest]
        assert np.abs(found - START[honest]).max() < 6, name
    plain = open_method("dpsgd", {}).mix(NodeStates(START), lies, on("full")).models[honest]
    assert np.abs(plain).max() > 1e5


def test_a_node_that_hears_too_few_keeps_its_model() -> None:
    assert np.array_equal(mixed("neighbour-trimmed-mean", 1, graph="matching").models, START)
    with pytest.raises(BadInput, match="num_byzantine' must be 0 or more"):
        open_method("neighbour-trimmed-mean", {"num_byzantine": -1})
    with pytest.raises(BadInput, match="radius' must be above 0"):
        open_method("clipped-gossip", {"radius": 0})

"""Coalitions of DCFCL, from updates by hand, and models that are averaged within them alone."""

import numpy as np
import pytest

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.learners.dcfcl import DCFCL, formed, gain, products
from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam
from flame.streams.networks.mlp import MLP
from flame.streams.server import Server
from flame.streams.stream import padded

APART = [frozenset({node}) for node in range(4)]
EVERYONE = np.ones(4, bool)


def test_the_gain_of_a_node_is_the_cosine_with_the_mean_update_of_the_others() -> None:
    """Without the part of the models, (3, 4) and the mean of (1, 0) and (0, 2) is (11 / 2) / 5."""
    updates = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])
    weighted = products(updates, np.ones((3, 2)), alike=0.0)
    mean = np.array([0.5, 1.0])
    cosine = updates[0] @ mean / np.linalg.norm(updates[0]) / np.linalg.norm(mean)
    assert gain(0, frozenset({0, 1, 2}), weighted) == pytest.approx(cosine)
    assert gain(0, frozenset({0}), weighted) == 0


def test_similar_models_add_to_the_similarity_of_updates() -> None:
    """Updates at right angles with lengths 2 and 3, and equal models: 0.1 * 2 * 3 * 1."""
    updates = np.array([[2.0, 0.0], [0.0, 3.0]])
    assert products(updates, np.ones((2, 2)), 0.1)[0, 1] == pytest.approx(0.6)


def test_the_gain_with_similar_models_is_that_of_the_public_code() -> None:
    """Updates (2, 0), (0, 3) and (2, 0) of equal models: s_ij = 0.1 at right angles, 1.1 else.

    Node 0 with 1 and 2: (3 * 0.1 + 2 * 1.1) / sqrt(9 + 4 + 2 * 3 * 2 * 0.1).
    """
    updates = np.array([[2.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    weighted = products(updates, np.ones((3, 2)), alike=0.1)
    assert np.diag(weighted).tolist() == [4, 9, 4]
    found = gain(0, frozenset({0, 1, 2}), weighted)
    assert found == pytest.approx((0.3 + 2.2) / np.sqrt(9 + 4 + 1.2))


def test_opposite_updates_part_and_who_is_absent_is_alone() -> None:
    updates = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    weighted = products(updates, np.eye(4), alike=0.0)
    assert set(formed(APART, weighted, EVERYONE)) == {frozenset({0, 1}), frozenset({2, 3})}
    old = [frozenset({0, 1, 2, 3})]
    assert set(formed(old, weighted, EVERYONE)) == {frozenset({0, 1}), frozenset({2, 3})}
    without = formed(APART, weighted, np.array([True, False, True, True]))
    assert frozenset({1}) in without
    assert frozenset({0}) in without  # nobody is left that it gains with


def test_members_go_on_with_the_mean_by_rows_of_their_coalition() -> None:
    peers = GossipNetwork(GossipConfig(), ("a", "b", "c"))
    rng = np.random.default_rng(0)
    parts = []
    for rows, sign in ((30, 1), (10, 1), (20, -1)):
        x = rng.uniform(-1, 1, (rows, 1))
        y = (sign * x[:, 0] > 0).astype(int)
        parts.append((x, y, y))
    batch = padded(parts, shape=(1,))
    learner = DCFCL()
    learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(rounds=1), seed=0)
    alone = DCFCL()
    alone.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(rounds=1), seed=0)
    trained = alone.train(alone.rows(batch), Adam(alone.models.shape, 0.02))
    learner.learn(batch, np.zeros(3, int))
    assert set(learner.coalitions) == {frozenset({0, 1}), frozenset({2})}
    assert np.allclose(learner.models[0], 0.75 * trained[0] + 0.25 * trained[1])
    assert np.array_equal(learner.models[0], learner.models[1])
    assert np.allclose(learner.models[2], trained[2])

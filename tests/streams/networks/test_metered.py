"""Every gradient of a row is counted, whichever way a learner asks for it."""

import numpy as np

from flame.streams.networks.base import Adam
from flame.streams.networks.metered import Metered
from flame.streams.networks.mlp import MLP

X = np.random.default_rng(0).normal(size=(2, 4, 3))
Y = np.array([[0, 1, 0, 1], [1, 0, 1, 0]])
WEIGHT = np.array([[1.0, 0.5, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])


def test_results_are_those_of_the_network_and_rows_are_counted() -> None:
    plain = MLP(3, 2)
    network = Metered(plain)
    start = np.tile(plain.start(np.random.default_rng(1)), (2, 1))
    assert (network.size, network.head, network.body) == (plain.size, plain.head, plain.body)
    assert np.array_equal(network.probability(start, X), plain.probability(start, X))
    assert network.gradients == 0
    found = network.loss_gradient(start, X, Y, WEIGHT)
    assert np.array_equal(found, plain.loss_gradient(start, X, Y, WEIGHT))
    assert network.gradients == 4
    after = network.descend(start, X, Y, WEIGHT, Adam(start.shape, 0.1), 3)
    assert np.array_equal(after, plain.descend(start, X, Y, WEIGHT, Adam(start.shape, 0.1), 3))
    assert network.gradients == 4 + 3 * 4


def test_nodes_that_do_not_move_cost_nothing() -> None:
    network = Metered(MLP(3, 2))
    start = np.tile(network.start(np.random.default_rng(1)), (2, 1))
    adam = Adam(start.shape, 0.1)
    adam.who = np.array([False, True])
    network.descend(start, X, Y, WEIGHT, adam, 3)
    assert network.gradients == 3

"""A server that sends nonsense, or nothing: by hand."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.mailbox import SERVER, Mailbox, Neighbours
from flame.streams.nodes.at_server import AtServer
from flame.streams.nodes.posted import Posted

PEERS = GossipNetwork(GossipConfig(), ("a", "b"))


def node(*replies: list[float]) -> AtServer:
    box = Mailbox()
    for number, model in enumerate(replies):
        box.put(f"run:{number}.0:back", SERVER, {SERVER: {"model": np.array(model)}})
    neighbours = Neighbours(box, lambda *_: False, (0.1, 0.1))
    posted = Posted(0, PEERS.names, "run", neighbours, lambda *_: None)
    return AtServer(PEERS, "fedavg", {}, 0.02, posted)


def test_without_a_reply_a_node_goes_on_with_its_own_model() -> None:
    at = node([2.0, 3.0])
    trained = np.array([[1.0, 1.0]])
    for expected in ([[2.0, 3.0]], [[1.0, 1.0]]):
        at.next()
        assert at.mix(trained, trained, np.array([5.0])).tolist() == expected
    assert at.sent.tolist() == [2 * 2 * 4]  # two numbers of four bytes, twice


@pytest.mark.parametrize("model", [[1.0], [np.nan, 0.0]])
def test_a_model_that_does_not_fit_is_an_error(model: list[float]) -> None:
    at = node(model)
    at.next()
    trained = np.array([[1.0, 1.0]])
    with pytest.raises(BadInput, match="another shape, or one that is not finite"):
        at.mix(trained, trained, np.array([5.0]))

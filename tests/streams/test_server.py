"""What a server makes of messages of nodes: averages by hand, and messages that do not fit."""

import numpy as np
import pytest

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.federation.task import Message
from flame.streams.server import Averages, Server

PEERS = GossipNetwork(GossipConfig(), ("a", "b", "c"))


def served(mixes: bool) -> Averages:
    exchange = Server(PEERS, "fedavg", {}, rate=0.02)
    exchange.next()
    return Averages(exchange, [np.zeros((3, 1)), np.ones((3, 1))], mixes)


def sent(value: float, count: float) -> Message:
    return {"model": np.array([value]), "count": count}


@pytest.mark.parametrize("mixes", [True, False])
def test_models_are_averaged_by_their_rows(mixes: bool) -> None:
    """(10 * 1 + 30 * 2) / 40 = 1.75; the third node trained on no row."""
    part = served(mixes)
    reply = part.answer("0", {0: sent(1.0, 10), 1: sent(2.0, 30), 2: {"count": 0.0}})
    assert [reply(node)["model"].item() for node in range(3)] == pytest.approx([1.75] * 3)
    assert part.topics(0) == ["0", "1"]
    assert [model.item() for model in part.present()["models"]] == pytest.approx([1.75, 1.0])


@pytest.mark.parametrize(
    "wrong",
    [{}, {"model": np.zeros(2), "count": 9.0}, sent(np.nan, 9.0), sent(9.0, -1.0), "nonsense"],
)
def test_a_message_that_does_not_fit_counts_as_one_without_rows(wrong: Message) -> None:
    reply = served(mixes=True).answer("0", {0: sent(1.0, 10), 1: wrong})
    assert [reply(node)["model"].item() for node in range(3)] == [1.0] * 3

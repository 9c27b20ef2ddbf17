"""News as messages: what is read is what was written, and a hostile message is an error."""

from typing import Any

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.streams.learners.evidence.news import (
    NewEntry,
    News,
    NodeEvidence,
    NodeMerges,
    plain,
    possible,
    told,
)
from flame.streams.transport import checked_model
from tests.helpers.posted_nodes import sent

EACH: list[News | None] = [
    None,
    NewEntry((3, 1), np.array([0.1, 1 / 3]), (0, 2)),
    NewEntry((3, 1), np.array([0.1]), None),
    NodeEvidence([(0, 1), (2, 0)], np.array([[0.0, -1.5], [1e-300, 0.0]]), np.array([3, 0])),
    NodeMerges([((0, 1), (2, 0))], [(0, 1)], np.array([3])),
]


@pytest.mark.parametrize("news", EACH)
def test_news_are_read_as_they_were_written(news: News | None) -> None:
    read = told(sent(plain(news)))
    assert type(read) is type(news)
    for one, other in zip(read or (), news or (), strict=True):
        assert np.array_equal(one, other) if isinstance(other, np.ndarray) else one == other


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "os.system", "opened": [], "counts": []},
        {"kind": "NewEntry", "opened": (0, 1), "model": [np.nan], "parent": None},
        {"kind": "NodeEvidence", "opened": [(0, 1)], "evidence": [[1.0, 2.0]], "counts": [1]},
        {"kind": "NodeEvidence", "opened": [(0, 1)], "evidence": [[np.inf]], "counts": [1]},
        {"kind": "NodeMerges", "pairs": [], "opened": [(0, 1)], "counts": [-1]},
    ],
)
def test_a_hostile_message_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        told(message)


@pytest.mark.parametrize(
    "news",
    [
        NewEntry((3, 1), np.zeros(2), None),  # of another node
        NewEntry((2, 0), np.zeros(2), None),  # of another step
        NewEntry((3, 0), np.zeros(2), (3, 0)),  # its own parent
        NewEntry((3, 0), np.zeros(2), (2, 9)),
        NodeEvidence([(4, 0)], np.zeros((1, 1)), np.ones(1, int)),  # of a step to come
        NodeEvidence([(3, 4)], np.zeros((1, 1)), np.ones(1, int)),  # of a node that there is not
        NodeMerges([((0, 0), (9, 9))], [], np.zeros(0, int)),
        NodeMerges([((k, j), (k, j)) for k in range(4) for j in range(4)] * 9, [], np.ones(0, int)),
    ],
)
def test_news_that_a_node_cannot_have_are_out(news: News) -> None:
    many = isinstance(news, NodeMerges) and len(news.pairs) > 9
    assert possible(news, 0, step=3, nodes=4) is many  # pairs that repeat name few entries
    assert possible(NewEntry((3, 0), np.zeros(2), (2, 3)), 0, step=3, nodes=4)


def test_a_node_cannot_name_more_entries_than_it_can_know() -> None:
    """Two of each of 4 nodes, and 64."""
    for count, fits in ((72, True), (73, False)):
        opened = [(k // 4, k % 4) for k in range(count)]
        news = NodeEvidence(opened, np.zeros((count, count)), np.ones(count, int))
        assert possible(news, 0, step=99, nodes=4) is fits


def test_a_model_too_large_to_learn_is_refused() -> None:
    with pytest.raises(BadInput, match="too large"):
        told(plain(NewEntry((0, 1), np.array([1e300]), None)))
    with pytest.raises(BadInput, match="too large"):
        checked_model(np.array([1e300]), 1.0, (1,))

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
    told,
)
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

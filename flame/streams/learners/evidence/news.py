"""What nodes of evidence gossip tell all others: new entries, evidence, and merges.

Entries are named by the step and the node that opened them, which is the same at every node.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.streams.networks.base import Array
from flame.streams.transport import LARGEST

Opened = tuple[int, int]
"""Step and node that opened an entry."""


class NewEntry(NamedTuple):
    """An entry that a node opened in this step.

    Args:
        opened: step and node that opened it.
        model: its parameters (size,).
        parent: the entry whose backbone it shares; None: it has its own.
    """

    opened: Opened
    model: Array
    parent: Opened | None


class NodeEvidence(NamedTuple):
    """The evidence of a node on pairs of entries that it knows.

    Args:
        opened: the entries.
        evidence: evidence (entry, entry) in nats; see ``evidence_tables``.
        counts: number (entry,) of its memories of each.
    """

    opened: list[Opened]
    evidence: Array
    counts: NDArray[np.int_]


class NodeMerges(NamedTuple):
    """The merges of a node in this step.

    Args:
        pairs: pairs of entries that it merged.
        opened: the entries that it knows afterwards.
        counts: number (entry,) of its memories of each.
    """

    pairs: list[tuple[Opened, Opened]]
    opened: list[Opened]
    counts: NDArray[np.int_]


News = NewEntry | NodeEvidence | NodeMerges
_MOST_ENTRIES, _MOST_BATCHES = 512, 10**6
"""Most entries that a node can name, and batches that it can remember."""
_HELD = 64
"""Most entries that a node can name beside two of each node."""
_KINDS = {kind.__name__: kind for kind in (NewEntry, NodeEvidence, NodeMerges)}


def plain(news: News | None) -> dict[str, Any] | None:
    """Return news as a message of arrays, numbers and text.

    Args:
        news: the news; None: a node has none.

    Returns:
        The message.
    """
    return None if news is None else {"kind": type(news).__name__, **news._asdict()}


def numbers_in(news: News | None) -> float:
    """Count the numbers of news.

    Args:
        news: the news; None: a node has none.

    Returns:
        Number of parameters, evidence, counts and merges.
    """
    if news is None:
        return 0.0
    if isinstance(news, NewEntry):
        return float(news.model.size + 3)  # with the step and node that opened it, and its backbone
    if isinstance(news, NodeEvidence):
        return float(np.count_nonzero(news.evidence) + np.count_nonzero(news.counts))
    return float(2 * len(news.pairs) + np.count_nonzero(news.counts))


def told(message: dict[str, Any] | None) -> News | None:
    """Return the news of a message.

    Args:
        message: a message of ``plain``, whose tuples may have become lists.

    Returns:
        The news; None: a node has none.

    Raises:
        BadInput: it is no message of ``plain``, or its numbers are not finite.

    Example:
        >>> told(plain(NodeMerges([((0, 1), (0, 2))], [(0, 1)], np.array([3])))).pairs
        [((0, 1), (0, 2))]
    """
    if message is None:
        return None
    kind, fields = message.get("kind"), {k: v for k, v in message.items() if k != "kind"}
    if kind == "NewEntry":
        parent = fields["parent"]
        model = _finite(fields["model"])
        if (np.abs(model) > LARGEST).any():
            raise BadInput("a model that is too large to learn")
        return NewEntry(
            _opened(fields["opened"]), model, None if parent is None else _opened(parent)
        )
    if kind not in _KINDS:
        raise BadInput("news of an unknown kind")
    if len(fields["opened"]) > _MOST_ENTRIES or len(fields.get("pairs", ())) > _MOST_ENTRIES:
        raise BadInput(f"news of more than {_MOST_ENTRIES} entries")
    opened = [_opened(each) for each in fields["opened"]]
    numbers = _finite(fields["counts"])
    if numbers.shape != (len(opened),) or ((numbers < 0) | (numbers > _MOST_BATCHES)).any():
        raise BadInput("news with another number of entries than counts, or impossible counts")
    counts = numbers.astype(int)
    if kind == "NodeMerges":
        return NodeMerges([(_opened(a), _opened(b)) for a, b in fields["pairs"]], opened, counts)
    evidence = _finite(fields["evidence"])
    if evidence.shape != (len(opened),) * 2:
        raise BadInput("news with another number of entries than evidence")
    return NodeEvidence(opened, evidence, counts)


def possible(news: News, sender: int, step: int, nodes: int) -> bool:
    """Check whether news can be of a node in a step.

    Args:
        news: the news.
        sender: number of the node.
        step: number of the step.
        nodes: number of nodes.

    Returns:
        False where it names entries of later steps or of nodes that there are not, or more than a
        node can know; and where it opens an entry of another node or step, or one that shares the
        backbone of an entry that is not older.

    Example:
        >>> merges = NodeMerges([((0, 1), (2, 0))], [(0, 1)], np.array([3]))
        >>> possible(merges, 0, step=2, nodes=2), possible(merges, 0, step=1, nodes=2)
        (True, False)
    """
    if isinstance(news, NewEntry):
        kin = news.parent is None or (news.parent[0] < step and news.parent[1] < nodes)
        return news.opened == (step, sender) and kin
    named = {*news.opened}
    if isinstance(news, NodeMerges):
        named |= {opened for pair in news.pairs for opened in pair}
    known = all(at <= step and node < nodes for at, node in named)
    return known and len(named) <= 2 * nodes + _HELD


def _opened(pair: Any) -> Opened:
    step, node = (int(number) for number in pair)
    if not (0 <= step < 2**31 and 0 <= node < 2**20):
        raise BadInput("an entry of a step or node that there is not")
    return step, node


def _finite(values: Any) -> Array:
    array = np.asarray(values, float)
    if not np.isfinite(array).all():
        raise BadInput("news that are not finite")
    return array

"""The server of FedDrift: a bank of models, which it averages and merges."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from flame.core.errors import BadInput
from flame.federation.task import Message
from flame.streams.networks.base import Array
from flame.streams.transport import MOST_ROWS, checked_model

Bank = dict[int, Array]
"""Models (size,) by their number. Numbers are never given twice."""
MERGE = "merge"
ROUND = "round"
"""Topics of the messages of nodes: at the beginning of a step, and in each of its rounds."""


class Scores(NamedTuple):
    """How well models do on rows, added over nodes.

    Args:
        rows: number (k, k) of rows of model i on which model j was tried.
        right: how many of them it predicted right.
    """

    rows: Array
    right: Array


class DriftBank:
    """Holds the models of all nodes; see ``ServerPart``.

    A node sends in each round the models that its rows train, with the number of rows, and at the
    beginning of a step how many rows of each model the others predict right. A reply holds the
    whole bank, and ``merged``, which tells into which model each former one went, so that a node
    that missed a reply is up to date after the next one.

    Args:
        bank: models with which the nodes begin.
        nodes: number of nodes. Node k opens models whose number is k modulo this one; 0 where
            nothing is merged, as all nodes then open the same.
        rounds: rounds of a step.
        drop: distance below which models are merged; 0: none are.
    """

    def __init__(self, bank: Bank, nodes: int, rounds: int, drop: float) -> None:
        self.bank = bank
        self.nodes = nodes
        self.rounds = rounds
        self.drop = drop
        self.merged: dict[int, int] = {}
        self._opened: dict[int, int] = {}

    def topics(self, number: int) -> Sequence[str]:
        """See ``ServerPart``."""
        return (MERGE, ROUND) if number and number % self.rounds == 0 else (ROUND,)

    def present(self) -> Message:
        """See ``ServerPart``: nothing, as every reply holds all models."""
        return {}

    def answer(self, topic: str, got: Mapping[int, Message]) -> Callable[[int], Message]:
        """See ``ServerPart``."""
        if topic == ROUND:
            self._average(got)
        else:
            self._opened = {}
            self._merge(got)
        reply = {
            "bank": [[number, model] for number, model in self.bank.items()],
            "merged": [[gone, number] for gone, number in self.merged.items()],
        }
        return lambda node: reply

    def _average(self, got: Mapping[int, Message]) -> None:
        """Average each model over the nodes that trained it, weighted by rows."""
        size = len(next(iter(self.bank.values())))
        sent: dict[int, tuple[Array, Array]] = {}
        for node, message in sorted(got.items()):
            try:
                models = self._models(node, message, size)
            except Exception:  # of whatever a node has sent
                continue  # as if it had sent nothing
            for number, (model, count) in models.items():
                counts, trained = sent.setdefault(
                    number, (np.zeros(self.nodes), np.zeros((self.nodes, size)))
                )
                counts[node], trained[node] = count, model
        for number, (counts, trained) in sorted(sent.items()):
            if counts.any():
                self.bank[number] = counts @ trained / counts.sum()

    def _models(self, node: int, message: Message, size: int) -> dict[int, tuple[Array, float]]:
        """Read the models of a message: of the bank, and at most one in a step that is new."""
        models = {}
        for number, model, count in message["models"]:
            here = self.merged.get(int(number), int(number))
            models[here] = checked_model(model, count, (size,))
            if here not in self.bank:
                its_own = here % self.nodes == (node if self.drop else 0)
                if not its_own or self._opened.setdefault(node, here) != here:
                    raise BadInput("a model that the node cannot have opened")
        return models

    def _merge(self, got: Mapping[int, Message]) -> None:
        """Merge models that are nearly as accurate as each other on their rows."""
        if not self.drop:
            return
        numbers = list(self.bank)
        scores = Scores(*np.zeros((2, len(numbers), len(numbers))))
        for message in got.values():
            try:
                found = self._scores(message, numbers)
            except Exception:  # of whatever a node has sent
                continue  # as if it had sent nothing
            scores = Scores(scores.rows + found.rows, scores.right + found.right)
        sizes = np.diag(scores.rows)
        used = np.flatnonzero(sizes)
        if not len(used):
            return
        before, self.bank, into = self.bank, {}, {}
        cluster = clusters(Scores(*(table[np.ix_(used, used)] for table in scores)), self.drop)
        for each in np.unique(cluster):
            members = used[cluster == each]
            together = sum(sizes[m] * before[numbers[m]] for m in members)
            kept = numbers[members[0]]
            self.bank[kept] = together / sizes[members].sum()
            into.update({numbers[m]: kept for m in members if numbers[m] != kept})
        unused = {number: next(iter(self.bank)) for number in set(numbers) - set(self.bank)}
        into = {**unused, **into}
        self.merged = {**{a: into.get(b, b) for a, b in self.merged.items()}, **into}

    def _scores(self, message: Message, numbers: Sequence[int]) -> Scores:
        """Read the scores of a node, and put them where its models are in the bank."""
        here = [self.merged.get(int(number), int(number)) for number in message["numbers"]]
        rows, right = (np.asarray(message[name], float) for name in Scores._fields)
        fits = len(set(here)) == len(here) and set(here) <= set(numbers)
        if not fits or rows.shape != (len(here),) or right.shape not in ((len(here),) * 2, (0,)):
            raise BadInput("scores of other models")
        if not (right >= 0).all() or not (right <= rows[:, None]).all() or rows.sum() > MOST_ROWS:
            raise BadInput("impossible counts")
        place = np.array([numbers.index(number) for number in here], int)
        found = Scores(*np.zeros((2, len(numbers), len(numbers))))
        found.rows[np.ix_(place, place)] = rows[:, None]
        found.right[np.ix_(place, place)] = right
        return found


def clusters(scores: Scores, drop: float) -> NDArray[Any]:
    """Cluster models by complete linkage.

    The distance of models i and j is the larger of two falls of accuracy: of i from its own rows
    to those of j, and of j from its own to those of i.

    Args:
        scores: of k models, each with rows.
        drop: distance at which the tree is cut.

    Returns:
        Number (k,) of the cluster of each model.

    Example:
        Each has 10 rows. The first two models do as well on each other's; the third does not.

        >>> rows = np.full((3, 3), 10.0)
        >>> right = np.array([[9.0, 9.0, 1.0], [9.0, 9.0, 1.0], [1.0, 1.0, 9.0]])
        >>> clusters(Scores(rows, right), drop=0.1).tolist()
        [1, 1, 2]
    """
    accuracy = scores.right / np.maximum(scores.rows, 1)
    distance = np.maximum(np.diag(accuracy) - accuracy, 0)
    distance = np.where(scores.rows > 0, distance, 1)
    distance = np.maximum(distance, distance.T)
    np.fill_diagonal(distance, 0)
    if len(distance) == 1:
        return np.ones(1, int)
    return np.asarray(fcluster(linkage(squareform(distance), "complete"), drop, "distance"))

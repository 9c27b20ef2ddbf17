"""Options of evidence gossip."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from flame.core.errors import BadInput


@dataclass
class EvidenceOptions:
    """Options of evidence gossip; none of them decides when a concept is new.

    Args:
        memory: number of batches that a node remembers, 1 or more.
        flood: rounds for which each kind of news (new models, evidence, merges) is forwarded, at
            most a quarter of all; 0: as many as the graph needs, and twice that where messages are
            lost or nodes are away or slow.
        num_byzantine: number of nodes that may send false evidence.
        fade: weight of a batch relative to that of the next step, above 0, at most 1.
        births: whether nodes may open new models after the first one.
        joins: whether models of one concept are merged.
        from_initial_weights: whether a new model may also start from the initial weights.
        heads: whether a new model may also train its last layer alone, and then share its
            representation with the model from which it started.
        old: whether models train on the remembered batches of earlier steps.
        global_model: whether a global model is trained on all batches and predicts beside the bank.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "liars": "num_byzantine",
        "afresh": "from_initial_weights",
        "everything": "global_model",
    }

    memory: int = 30
    flood: int = 0
    num_byzantine: int = 0
    fade: float = 0.5
    births: bool = True
    joins: bool = True
    from_initial_weights: bool = True
    heads: bool = True
    old: bool = True
    global_model: bool = True

    def __post_init__(self) -> None:
        if self.memory < 1 or self.flood < 0 or self.num_byzantine < 0:
            raise BadInput("methods.options.memory: 1 or more; flood and num_byzantine: 0 or more")
        if not 0 < self.fade <= 1:
            raise BadInput("methods.options.fade: above 0, at most 1")

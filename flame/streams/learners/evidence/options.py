"""What evidence gossip can be told."""

from dataclasses import dataclass

from flame.core.errors import BadInput


@dataclass
class EvidenceOptions:
    """Options of evidence gossip, of which none decides when a concept is new.

    ``memory`` batches a node keeps. News (new models, evidence, joins) are passed on for ``flood``
    rounds each, at most a quarter of all; 0: as many as the graph needs, twice that where messages
    are lost. Up to ``num_byzantine`` nodes may send false evidence. A step's batch counts ``fade``
    times as much as that of the next. Parts can be taken away, to see what they are worth:
    ``births``, ``joins``, ``from_initial_weights`` (forks of the first weights), ``heads`` (forks
    of the last layer alone, and shared backbones), ``old`` (batches of earlier steps) and
    ``global_model`` (the model of all batches).
    """

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

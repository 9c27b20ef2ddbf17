"""The strategy that a configuration chooses, out of all there are."""

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.strategies import (  # noqa: F401  (they register themselves)
    bulyan,
    centred_clipping,
    ditto,
    fedadagrad,
    fedadam,
    fedavg,
    fedavgm,
    fedbn,
    fedbuff,
    feddyn,
    fednova,
    fedprox,
    fedrep,
    fedyogi,
    flash,
    geometric_median,
    gossip,
    krum,
    median,
    qffl,
    scaffold,
    trimmed_mean,
)
from flame.federation.strategies.strategy import State, Strategy, open_strategy
from flame.federation.trainings import FEDERATED


def strategy_of(config: TrainConfig, kind: str = FEDERATED) -> Strategy:
    """The strategy of a run, or that of a ``kind`` of model in ``federation.compare``.

    BadInput for one that its training does not fit.
    """
    federation, training = config.federation, config.training
    compared = kind in federation.compare
    name = kind if compared else federation.strategy
    options = {} if compared else federation.options
    found = open_strategy(name, options, training.learning_rate)
    if isinstance(found, gossip.Gossip):
        found = gossip.Gossip(config.gossip, config.data.centres)
    if found.plain_gradients and (config.task != "response" or training.optimizer != "sgd"):
        raise BadInput(
            f"federation.strategy {name} counts on plain gradient steps: set "
            "training.optimizer = 'sgd', on task response"
        )
    if found.enough and training.validation:
        raise BadInput(f"training.validation: with {name} sites do not wait for it; choose another")
    if federation.secure and not found.mean_suffices:
        raise BadInput(f"federation.secure shows the mean alone, and {name} needs each update")
    if config.privacy.is_private and len(found.corrections(State([]), "")) > 1:
        raise BadInput(f"privacy.level: with {name} a site learns twice in a round; choose another")
    return found

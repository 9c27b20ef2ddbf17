"""Choice of the aggregation strategy of a run, with checks that it fits the training."""

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.strategies import gossip
from flame.federation.strategies.strategy import State, Strategy, open_strategy
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED


def strategy_of(config: TrainConfig, kind: str = FEDERATED) -> Strategy:
    """Return the strategy of a run, or a strategy of ``federation.compare``.

    Args:
        config: the configuration of the run.
        kind: kind of the training: a name in ``federation.compare`` gives that strategy with its
            default options, anything else ``federation.strategy``.

    Returns:
        The strategy with its options.

    Raises:
        BadInput: the strategy needs plain SGD and the training uses another optimiser; it does not
            wait for all sites and ``training.validation`` is set; it needs each update and
            ``federation.secure`` hides them; or it trains twice a round under differential privacy.
    """
    federation, training = config.federation, config.training
    compared = kind in federation.compare
    name = kind if compared else federation.strategy
    options = {} if compared else federation.options
    found = open_strategy(name, options, training.learning_rate)
    if isinstance(found, gossip.Gossip):
        found = gossip.Gossip(config.gossip, config.data.centres)
    if found.plain_gradients and not _takes_plain_steps(config):
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


def _takes_plain_steps(config: TrainConfig) -> bool:
    return config.training.optimizer == "sgd" and open_task(config).takes_plain_steps


def gossip_of(config: TrainConfig) -> gossip.Gossip:
    """Return the strategy of a run that learns peer to peer.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: the run has a server.
    """
    found = strategy_of(config)
    if not isinstance(found, gossip.Gossip):
        raise BadInput(f"federation.strategy {config.federation.strategy} is not peer to peer")
    return found

"""Choice of the aggregation strategy of a run, with checks that it fits the training."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from flame.core.errors import BadInput
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.strategies import gossip
from flame.federation.strategies.strategy import State, Strategy, open_strategy
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training, final_training


def strategy_of(config: TrainConfig, kind: str = FEDERATED) -> Strategy:
    """Return the strategy of a run, or a strategy of ``federation.compare``.

    Args:
        config: the configuration of the run.
        kind: kind of the training. A name in ``federation.compare`` selects that strategy with its
            options in ``federation.compare_options``; others select ``federation.strategy``.

    Returns:
        The strategy with its options.

    Raises:
        BadInput: the strategy needs plain SGD and the training uses another optimiser; it does not
            wait for all sites and ``training.validation`` is set; it needs each update and
            ``federation.secure`` hides them; or it needs losses or trains twice per round under
            differential privacy.
    """
    federation = config.federation
    training = config.training
    compared = kind in federation.compare
    name = kind if compared else federation.strategy
    options = federation.compare_options.get(name, {}) if compared else federation.options
    strategy = open_strategy(name, options, training.learning_rate)
    if isinstance(strategy, gossip.Gossip):
        strategy = gossip.Gossip(config.gossip, config.data.centres)
    if strategy.plain_gradients and not _takes_plain_steps(config):
        raise BadInput(
            f"federation.strategy {name} needs plain gradient steps: set "
            "training.optimizer = 'sgd', on task response"
        )
    if strategy.enough and training.validation:
        raise BadInput(
            f"training.validation: with strategy {name} sites do not wait for it; choose another "
            "strategy"
        )
    if federation.secure and not strategy.mean_suffices:
        raise BadInput(
            f"federation.secure shows the mean alone, and {name} needs each update; choose another "
            "strategy"
        )
    if config.privacy.is_private and strategy.follows_losses:
        raise BadInput(f"privacy.level: strategy {name} needs the losses of sites; choose another")
    if config.privacy.is_private and len(strategy.corrections(State([]), "")) > 1:
        raise BadInput(
            f"privacy.level: with strategy {name} a site trains twice per round; choose another "
            "strategy"
        )
    return strategy


def check_strategy(config: TrainConfig, kind: str, trainings: Iterable[Training]) -> None:
    """Check that the strategy of a run fits every training, before the first one starts.

    Args:
        config: the configuration of the run.
        kind: kind of the trainings, see ``strategy_of``.
        trainings: the trainings.

    Raises:
        BadInput: the strategy cannot be opened, or a training has too few sites for it.
    """
    strategy = strategy_of(config, kind)
    for training in trainings:
        strategy.check_sites(training.centres)


def strategy_warnings(config: TrainConfig, run: Path) -> list[str]:
    """Return what to know about the models of a finished run because of their strategies.

    Args:
        config: the configuration of the run.
        run: the run folder.

    Returns:
        Warnings with the name of the strategy.
    """
    if not open_task(config).learns_in_rounds:
        return []
    training = final_training(config.data.centres, config.training.seeds[0])
    told = []
    for kind in (FEDERATED, *config.federation.compare):
        name = config.federation.strategy if kind == FEDERATED else kind
        model = load_checkpoint(checkpoint_path(run, replace(training, kind=kind).name))
        if model and (warning := strategy_of(config, kind).warning(model.state)):
            told.append(f"{name}: {warning}")
    return told


def _takes_plain_steps(config: TrainConfig) -> bool:
    return config.training.optimizer == "sgd" and open_task(config).takes_plain_steps


def gossip_of(config: TrainConfig) -> gossip.Gossip:
    """Return the strategy of a run that learns peer to peer.

    Args:
        config: the configuration of the run.

    Returns:
        The strategy gossip with the topology and method of the run.

    Raises:
        BadInput: the run has a server.
    """
    strategy = strategy_of(config)
    if not isinstance(strategy, gossip.Gossip):
        raise BadInput(f"federation.strategy {config.federation.strategy} is not peer to peer")
    return strategy

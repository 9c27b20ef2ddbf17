"""The trainings of a run that FLARE carries out."""

from flame.federation.config import TrainConfig, centres
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training, joint_trainings, local_trainings


def flare_plan(config: TrainConfig, alone: bool = False) -> list[Training]:
    """List the trainings that run on FLARE.

    Args:
        config: the configuration of the run.
        alone: whether to add the local trainings of each centre, as in a real federation. With
            secure aggregation trainings of a single centre are left out: a sum over one site is its
            update.

    Returns:
        Federated trainings over all centres and over all but each one, then the local ones. A task
        without cross-validation has a single training.
    """
    names = centres(config.data)
    seeds = config.training.seeds
    folds = config.training.folds
    if not open_task(config).cross_validated:
        return [Training(FEDERATED, names, 0, 2)]
    trainings = joint_trainings(FEDERATED, names, seeds, folds)
    if alone and config.federation.secure:
        return [training for training in trainings if len(training.centres) > 1]
    return trainings + (local_trainings(names, seeds, folds) if alone else [])

"""The trainings that run on FLARE."""

from flame.federation.config import TrainConfig, centres
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training, joint_trainings, local_trainings


def flare_plan(config: TrainConfig, alone: bool = False) -> list[Training]:
    """The trainings that need the federation: all centres, all but each one, each ``alone``."""
    training, names = config.training, centres(config.data)
    if not open_task(config).cross_validated:
        return [Training(FEDERATED, names, 0, 2)]
    plan = joint_trainings(FEDERATED, names, training.seeds, training.folds)
    if alone and config.federation.secure:  # a sum over one site is its update
        return [federation for federation in plan if len(federation.centres) > 1]
    return plan + (local_trainings(names, training.seeds, training.folds) if alone else [])

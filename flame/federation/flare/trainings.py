"""The trainings of a run that FLARE carries out."""

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig, centres
from flame.federation.privacy.secure_aggregation import LEAST_SITES
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training, joint_trainings, local_trainings


def flare_plan(config: TrainConfig, alone: bool = False) -> list[Training]:
    """List the trainings that run on FLARE.

    Args:
        config: the configuration of the run.
        alone: whether to add the local trainings of each centre, as in a real federation.

    Returns:
        Federated trainings over all centres and over all but each one, then the local ones. With
        secure aggregation those over all centres only: the difference of two sums whose sites
        differ by one is the update of that site. A task without cross-validation has a single
        training.

    Raises:
        BadInput: there are fewer than three centres for secure aggregation.
    """
    names = centres(config.data)
    seeds = config.training.seeds
    folds = config.training.folds
    if config.federation.secure and len(names) < LEAST_SITES:
        raise BadInput(
            f"federation.secure needs {LEAST_SITES} centres at least: of a sum over two, each "
            "computes the update of the other"
        )
    if not open_task(config).cross_validated:
        return [Training(FEDERATED, names, 0, 2)]
    trainings = joint_trainings(FEDERATED, names, seeds, folds)
    if config.federation.secure:
        return [training for training in trainings if not training.left_out]
    return trainings + (local_trainings(names, seeds, folds) if alone else [])

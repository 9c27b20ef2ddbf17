"""External validation where the patients stay: from groups of patients that sites send."""

from dataclasses import replace

import numpy as np

from flame.bundles.bundle import portable
from flame.bundles.model import Model
from flame.bundles.predictions import survival_curves, threshold
from flame.bundles.validation import Cohorts, Variant
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.packed_model import packed
from flame.federation.sections import FederationConfig, ValidationConfig
from flame.federation.task import Shared
from flame.models.response.inputs import Inputs

PREFIX = "rows/"
"""Text before the name of a centre in the names of shared arrays."""


def run_config(model: Model, centres: tuple[str, ...], engine: str, least: int = 1) -> TrainConfig:
    """Build the configuration of a run that validates a model.

    Args:
        model: a model on response or survival.
        centres: hospitals that take part.
        engine: engine of the federation.
        least: least number of patients in a group of a simulation; hospitals group by their policy.

    Returns:
        The configuration, in which the model travels to the sites.

    Raises:
        BadInput: the model is too large.
    """
    own = portable(model.config)
    return replace(
        own,
        task="validation",
        data=replace(own.data, centres=centres),
        training=replace(own.training, personalised=False),
        federation=FederationConfig(engine=engine),  # type: ignore[arg-type]
        privacy=replace(own.privacy, level="none", least_patients=max(least, 1)),
        validation=ValidationConfig(packed(own, model.seeds)),
    )


def gathered(model: Model, shared: Shared, simulated: bool) -> Cohorts:
    """Treat the groups of patients that sites sent as patients.

    Args:
        model: the model.
        shared: shared arrays of a finished run of the task validation.
        simulated: whether the patients are simulated.

    Returns:
        One row per patient, where the patients of a group are equal. Subgroups are unknown.

    Raises:
        BadInput: no hospital sent any group.
    """
    centres = sorted(n.removeprefix(PREFIX) for n in shared if n.startswith(PREFIX))
    groups = [np.asarray(shared[PREFIX + centre]) for centre in centres]
    if not sum(map(len, groups)):
        raise BadInput(
            "no hospital sent a group: fewer than privacy.least_patients have either outcome"
        )
    rows = np.concatenate([np.repeat(g, g[:, 3].astype(int), axis=0) for g in groups])
    hospitals = np.repeat(centres, [int(g[:, 3].sum()) for g in groups])
    predicted, days, status = rows[:, 0], rows[:, 1], rows[:, 2]
    survival = model.task.outcome == "survival"
    nobody = np.full(len(rows), np.nan)
    empty = np.zeros((len(rows), 0))
    inputs = Inputs(
        "+".join(centres),
        tuple(f"row-{n}" for n in range(len(rows))),
        empty.astype(np.float32),
        empty,
        empty.astype(np.float32),
        (nobody if survival else status).astype(np.float32),
        days if survival else nobody,
        status if survival else np.zeros(len(rows)),
    )
    cut = float("nan") if survival else threshold(model)
    curves = survival_curves(model, -predicted)
    variant = Variant(model.name, predicted[None], cut, curves)
    return Cohorts(model, inputs, hospitals, [variant], {}, None, simulated)

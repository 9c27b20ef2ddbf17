"""Reads the cohort of one centre as the configuration of a run describes it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from flame.core.cohort import Cohort, Outcome
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.registry import open_task
from flame.io.bids import PREDICTED
from flame.io.tables import alive_at, read_table_cohort


def load_cohort(config: TrainConfig, centre: str) -> Cohort:
    """Read the cohort of one centre, with responses labelled and missing features imputed.

    Args:
        config: the configuration of the run.
        centre: name of the centre.

    Returns:
        The cohort; images are reduced to what the task of the run needs.

    Raises:
        BadInput: the data are missing, broken or incomplete.
    """
    data = config.data
    task = open_task(config)
    if data.bids:
        # SimpleITK and numba are slow to load, and tables do not need them.
        from flame.federation.tasks.image_cohorts import load_images

        cohort = load_images(config, centre, task.view())
    else:
        survival = dict(zip(("survival_days", "died"), data.survival, strict=False))
        cohort = read_table_cohort(
            Path(data.table),
            centre,
            data.centre_column,
            data.id_column,
            list(config.features()),
            survival,
            data.simulated,
            data.person_column,
        )
    manifest = {
        name: digest
        for name, digest in cohort.manifest.items()
        if task.reads_predicted_masks or not name.endswith(PREDICTED)
    }
    return replace(prepared(cohort, data), manifest=manifest)


def at_site(config: TrainConfig, data: str) -> TrainConfig:
    """Point the configuration at a hospital's own data.

    Args:
        config: the configuration of the run.
        data: path of the hospital's BIDS derivatives (a folder) or table (a file); empty: the
            configured path.

    Returns:
        The configuration with the hospital's path in ``data.bids`` or ``data.table``.

    Raises:
        BadInput: the folder or file does not exist.
    """
    if not data:
        return config
    if not Path(data).exists():
        raise BadInput(f"no data at {data}; give flame join the folder or table of this hospital")
    is_folder = Path(data).is_dir()
    bids = data if is_folder else ""
    table = "" if is_folder else data
    return replace(config, data=replace(config.data, bids=bids, table=table))


def prepared(cohort: Cohort, data: DataConfig) -> Cohort:
    """Impute missing clinical features and label responses.

    With a horizon, a patient who is alive on that day responds; see ``flame.io.tables.alive_at``.

    Args:
        cohort: the cohort as read.
        data: section ``data`` of the configuration, with ``impute`` and ``horizon_days``.

    Returns:
        A new cohort; the given one is unchanged.

    Example:
        >>> from flame.core.cohort import Patient
        >>> nan = float("nan")
        >>> patient = Patient("p1", clinical={"kps": nan}, outcome=Outcome(None, 400.0, True))
        >>> data = DataConfig(table="cohort.csv", survival=("days", "died"), horizon_days=365.0,
        ...                   impute={"kps": 80.0})
        >>> (ready,) = prepared(Cohort("UCSF", (patient,), simulated=False), data).patients
        >>> ready.clinical["kps"], ready.outcome.response
        (80.0, True)
    """
    patients = tuple(
        replace(
            patient,
            clinical=_imputed(patient.clinical, data.impute),
            outcome=_labelled(patient.outcome, data.horizon_days),
        )
        for patient in cohort.patients
    )
    return replace(cohort, patients=patients)


def _imputed(clinical: Mapping[str, float], values: Mapping[str, float]) -> dict[str, float]:
    missing = {k: v for k, v in values.items() if np.isnan(clinical.get(k, np.nan))}
    return {**clinical, **missing}


def _labelled(outcome: Outcome, horizon_days: float | None) -> Outcome:
    if horizon_days is None:
        return outcome
    return replace(outcome, response=alive_at(horizon_days, outcome))

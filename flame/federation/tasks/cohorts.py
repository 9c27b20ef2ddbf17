"""Reads the cohort of one centre as the configuration of a run describes it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.tasks.landmark import included, labelled, with_status, with_visits
from flame.federation.tasks.registry import open_task
from flame.io.bids import PREDICTED
from flame.io.columns import Columns, read_local
from flame.io.tables import read_table_cohort


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
        from flame.federation.tasks.image_cohorts import cohort_folder, load_images

        cohort = load_images(config, centre, task.view())
    else:
        survival = dict(zip(("survival_days", "died", "entry_days"), data.survival, strict=False))
        cohort = read_table_cohort(
            Path(data.table),
            centre,
            data.centre_column,
            data.id_column,
            list(config.columns()),
            survival,
            data.simulated,
            data.person_column,
            read_local(Path(data.table).parent, data.declared, config.features()),
        )
    manifest = {
        name: digest
        for name, digest in cohort.manifest.items()
        if task.reads_predicted_masks or not name.endswith(PREDICTED)
    }
    folder = cohort_folder(config, centre) if data.bids else Path(data.table).parent
    return replace(prepared(cohort, config, folder), manifest=manifest)


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


def prepared(cohort: Cohort, config: TrainConfig, folder: Path) -> Cohort:
    """Add features of visits, label responses, leave out patients, and impute missing features.

    With a horizon, a patient who is alive on that day responds; see ``flame.io.tables.alive_at``.

    Args:
        cohort: the cohort as read.
        config: the configuration of the run.
        folder: folder of the table of visits, if there is one.

    Returns:
        A new cohort; the given one is unchanged.

    Raises:
        BadInput: the table of visits is missing or broken, nobody is left, or patients entered
            late and the task is not survival.

    Example:
        >>> from flame.core.cohort import Outcome, Patient
        >>> from flame.federation.sections import DataConfig
        >>> from flame.models.response.inputs import ResponseModelConfig
        >>> nan = float("nan")
        >>> patient = Patient("p1", clinical={"kps": nan}, outcome=Outcome(None, 400.0, True))
        >>> data = DataConfig(table="cohort.csv", survival=("days", "died"), horizon_days=365.0,
        ...                   impute={"kps": 80.0})
        >>> config = TrainConfig(data, ResponseModelConfig(clinical=("kps",)))
        >>> cohort = Cohort("UCSF", (patient,), simulated=False)
        >>> (ready,) = prepared(cohort, config, Path(".")).patients
        >>> ready.clinical["kps"], ready.outcome.response
        (80.0, True)
    """
    cohort = with_visits(with_status(cohort, config.data.unknown_status), config, folder)
    check_ranges(cohort, config.data.declared)
    cohort = included(labelled(cohort, config.data.horizon_days), config)
    if not cohort.patients:
        reasons = "; ".join(f"{n} {rule}" for rule, n in cohort.excluded.items())
        raise BadInput(f"centre {cohort.centre}: every patient is left out ({reasons})")
    if config.task != "survival" and any(p.outcome.entry_days for p in cohort.patients):
        raise BadInput(
            f"centre {cohort.centre}: some patients came under observation after day 0 "
            "(entry_days), which only the task survival can use: others would count them as alive "
            "until then; leave these patients out"
        )
    impute = config.data.impute
    patients = tuple(_imputed(patient, impute) for patient in cohort.patients)
    return replace(cohort, patients=patients)


def check_ranges(cohort: Cohort, columns: Columns) -> None:
    """Check the clinical values of a cohort against the declared ranges.

    Args:
        cohort: the cohort as read.
        columns: declared columns.

    Raises:
        BadInput: a value is out of range; the message names the column and the centre, no patient.
    """
    for name in columns.ranges:
        for patient in cohort.patients:
            value = patient.clinical.get(name, float("nan"))
            columns.check_range(name, value, f"centre {cohort.centre}")


def _imputed(patient: Patient, values: Mapping[str, float]) -> Patient:
    missing = {k: v for k, v in values.items() if np.isnan(patient.clinical.get(k, np.nan))}
    return replace(patient, clinical={**patient.clinical, **missing}, imputed=frozenset(missing))

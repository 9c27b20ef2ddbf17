"""The cohort of one centre, as the run configuration describes it."""

from pathlib import Path

import numpy as np

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.io.tables import read_table_cohort
from flame.preprocessing.cohort import read_cohort


def load_cohort(config: TrainConfig, centre: str) -> Cohort:
    """Read one centre's cohort and fill missing features that ``data.impute`` has values for."""
    data = config.data
    if data.bids:
        spacing = config.model.voxel_mm if config.model.sequences else None
        cohort = read_cohort(Path(data.bids) / centre, centre, spacing)
    else:
        survival = (data.survival[0], data.survival[1]) if data.survival else None
        cohort = read_table_cohort(
            Path(data.table), centre, data.centre_column, data.id_column,
            list(config.features()), survival, data.horizon_days,
        )  # fmt: skip
    for patient in cohort.patients:
        assert isinstance(patient.clinical, dict)
        for name, value in data.impute.items():
            if np.isnan(patient.clinical.get(name, 0.0)):
                patient.clinical[name] = value
    if not cohort.patients:
        raise BadInput(f"centre {centre} has no patients")
    return cohort

"""The cohort of one centre, as the run configuration describes it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from flame.core.cohort import Cohort, Outcome, Patient
from flame.core.errors import BadInput
from flame.core.files import content_hash
from flame.federation.config import DataConfig, TrainConfig
from flame.io.assessments import PROGRESSIONS, read_progressions
from flame.io.bids import PREDICTED
from flame.io.tables import alive_at, read_table_cohort
from flame.preprocessing.cohort import View, at_spacing, read_cohort
from flame.preprocessing.radiomics import FAMILY_OF, measured
from flame.preprocessing.tumour_cube import around_tumour


def load_cohort(config: TrainConfig, centre: str) -> Cohort:
    """Read one centre's cohort, its response and imputed features as the configuration says."""
    data = config.data
    if data.bids:
        cohort = _with_endpoint(
            read_cohort(centre_folder(data, centre), centre, view_of(config)), config
        )
    else:
        survival = dict(zip(("survival_days", "died"), data.survival, strict=False))
        cohort = read_table_cohort(
            Path(data.table), centre, data.centre_column, data.id_column,
            list(config.features()), survival, data.simulated, data.person_column,
        )  # fmt: skip
    manifest = {
        name: digest
        for name, digest in cohort.manifest.items()
        if config.task == "evolution" or not name.endswith(PREDICTED)
    }
    return replace(prepared(cohort, data), manifest=manifest)


def at_site(config: TrainConfig, data: str) -> TrainConfig:
    """The configuration with a hospital's own folder or table for ``data``, if it names one."""
    if not data:
        return config
    if not Path(data).exists():
        raise BadInput(f"no data at {data}; give flame join the folder or table of this hospital")
    bids, table = (data, "") if Path(data).is_dir() else ("", data)
    return replace(config, data=replace(config.data, bids=bids, table=table))


def centre_folder(data: DataConfig, centre: str) -> Path:
    """The BIDS derivatives of one centre: below ``data.bids``, or at a hospital that itself."""
    root = Path(data.bids)
    return root if (root / "dataset_description.json").exists() else root / centre


def _with_endpoint(cohort: Cohort, config: TrainConfig) -> Cohort:
    if config.data.endpoint == "overall":
        return cohort
    root = centre_folder(config.data, cohort.centre)
    ends = read_progressions(root)
    patients = []
    for patient in cohort.patients:
        days, progressed = ends.get(patient.pseudonym, (None, None))
        known = replace(patient.outcome, survival_days=days, died=progressed)
        patients.append(replace(patient, outcome=known))
    manifest = {**cohort.manifest, PROGRESSIONS: content_hash([root / PROGRESSIONS])}
    return replace(cohort, patients=tuple(patients), manifest=manifest)


def prepared(cohort: Cohort, data: DataConfig) -> Cohort:
    """The cohort with missing features imputed and responses labelled as a run says."""
    patients = tuple(
        replace(
            patient,
            clinical=_imputed(patient.clinical, data.impute),
            outcome=_labelled(patient.outcome, data.horizon_days),
        )
        for patient in cohort.patients
    )
    return replace(cohort, patients=patients)


def view_of(config: TrainConfig) -> View | None:
    """What of a patient's images the task needs."""
    if config.task == "evolution":
        return around_tumour
    if config.task == "segmentation":
        return at_spacing(config.segmentation.voxel_mm)
    images = at_spacing(config.model.voxel_mm) if config.model.sequences else None
    families = dict.fromkeys(FAMILY_OF[n] for n in config.features() if n in FAMILY_OF)
    if not families:
        return images
    return lambda patient: (images or _without_images)(measured(families)(patient))


def _without_images(patient: Patient) -> Patient:
    return replace(patient, timepoints=())


def _imputed(clinical: Mapping[str, float], values: Mapping[str, float]) -> dict[str, float]:
    missing = {k: v for k, v in values.items() if np.isnan(clinical.get(k, np.nan))}
    return {**clinical, **missing}


def _labelled(outcome: Outcome, horizon_days: float | None) -> Outcome:
    if horizon_days is None:
        return outcome
    return replace(outcome, response=alive_at(horizon_days, outcome))

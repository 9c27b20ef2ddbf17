"""The cohort of one centre from its preprocessed images, with what of them a task needs."""

from dataclasses import replace
from pathlib import Path

from flame.core.cohort import Cohort, Patient
from flame.core.files import content_hash
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.io.assessments import PROGRESSIONS, read_progressions
from flame.preprocessing.cohort.cohort import View, at_spacing, read_cohort
from flame.preprocessing.cohort.radiomics import FAMILY_OF, measured
from flame.preprocessing.cohort.tumour_cube import around_tumour


def load_images(config: TrainConfig, centre: str) -> Cohort:
    """Read the BIDS derivatives of one centre, with the end that ``data.endpoint`` asks for."""
    root = _centre_folder(config.data, centre)
    cohort = read_cohort(root, centre, view_of(config))
    return cohort if config.data.endpoint == "overall" else _with_progression(cohort, root)


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


def _centre_folder(data: DataConfig, centre: str) -> Path:
    """The BIDS derivatives of one centre: below ``data.bids``, or at a hospital that itself."""
    root = Path(data.bids)
    return root if (root / "dataset_description.json").exists() else root / centre


def _with_progression(cohort: Cohort, root: Path) -> Cohort:
    ends = read_progressions(root)
    patients = []
    for patient in cohort.patients:
        days, progressed = ends.get(patient.pseudonym, (None, None))
        known = replace(patient.outcome, survival_days=days, died=progressed)
        patients.append(replace(patient, outcome=known))
    manifest = {**cohort.manifest, PROGRESSIONS: content_hash([root / PROGRESSIONS])}
    return replace(cohort, patients=tuple(patients), manifest=manifest)

"""Reads the preprocessed images of one centre, reduced to what a task needs."""

from dataclasses import replace
from pathlib import Path

from flame.core.cohort import Cohort, View
from flame.core.files import content_hash
from flame.federation.config import TrainConfig
from flame.io.assessments import PROGRESSIONS, read_progressions
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.radiomics import FAMILIES


def load_images(config: TrainConfig, centre: str, view: View | None, only: str = "") -> Cohort:
    """Read the BIDS derivatives of one centre, with the endpoint ``data.endpoint``.

    Args:
        config: the configuration of the run.
        centre: name of the centre.
        view: reduces each patient to what the task needs; None: no image is read.
        only: subject to read, without its BIDS prefix; empty: all.

    Returns:
        The cohort, whose survival times are those of the endpoint in days.

    Raises:
        BadInput: preprocessing of the centre is not finished, or its tables are broken.
    """
    root = cohort_folder(config, centre)
    maps = bool({*FAMILIES["maps"], *FAMILIES["delta-maps"]} & {*config.features()})
    cohort = read_cohort(root, centre, view, only=only, maps=maps)
    return cohort if config.data.endpoint == "overall" else _with_progression(cohort, root)


def cohort_folder(config: TrainConfig, centre: str) -> Path:
    """Return the folder of one centre; ``data.bids`` of a hospital is that folder itself.

    Args:
        config: the configuration of the run.
        centre: name of the centre.

    Returns:
        Path of the folder.
    """
    root = Path(config.data.bids)
    return root if (root / "dataset_description.json").exists() else root / centre


def _with_progression(cohort: Cohort, root: Path) -> Cohort:
    progressions = read_progressions(root)
    patients = []
    for patient in cohort.patients:
        days, progressed = progressions.get(patient.pseudonym, (None, None))
        if days is not None and days <= patient.outcome.entry_days:
            days, progressed = None, None  # was over before the patient was observed
        outcome = replace(patient.outcome, survival_days=days, died=progressed)
        patients.append(replace(patient, outcome=outcome))
    manifest = {**cohort.manifest, PROGRESSIONS: content_hash([root / PROGRESSIONS])}
    return replace(cohort, patients=tuple(patients), manifest=manifest)

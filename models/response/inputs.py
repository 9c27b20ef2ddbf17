"""Inputs of the response model: image, clinical and radiotherapy arrays, and its configuration."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, MultipleOf
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.core.registry import nearest
from flame.core.treatment import Radiation, Treatment, courses
from flame.physics.radiobiology import LATE_BRAIN, bed, eqd2, weighted_dose

TREATMENT_FEATURES = (
    "photon share",
    "proton share",
    "carbon share",
    "BED / 100 Gy",
    "EQD2 of brain / 100 Gy",
)
"""Columns of the radiotherapy array; shares are of the RBE-weighted dose."""


@dataclass(frozen=True)
class ResponseModelConfig(Section):
    """Configuration of the response model: its branches and their size."""

    kind: str = "network"
    """Kind of model: network, or logistic (a regression from exact sums)."""
    missing: Literal["mean", "indicator"] = "mean"
    """Handling of missing clinical values: mean replaces them by the mean; indicator also adds a
    column that marks them.
    """
    encoder: str = ""
    """Folder of a segmentation run whose encoder the image branch uses; empty: none."""
    sequences: tuple[Literal["T1", "T1C", "T2", "FLAIR"], ...] = ()
    """MR sequences of the image branch; empty: no images."""
    voxel_mm: Annotated[float, Gt(0)] = 6.0
    """Voxel size in mm to which images are resampled."""
    clinical: tuple[str, ...] = ()
    """Clinical features, and families of radiomics features of the tumour as ``radiomics.`` and a
    name.
    """
    landmark_day: Annotated[float, Ge(0)] | None = None
    """Day up to which the model may look: with images, days after the last fraction; with a table,
    days from the start of follow-up. Patients with the outcome before it are left out. Without it,
    the model looks at what was known before radiotherapy."""
    window_days: Annotated[float, Gt(0)] = 84.0
    """Task progression-type: days after the last fraction within which the first increase counts.
    """
    criteria: str = "rano-2.0-volume"
    """Criteria of the features ``rano.``, and of the increase in task progression-type."""
    treatment: bool = False
    """Whether the course of radiotherapy is an input."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 8
    """Number of filters of the first convolution."""
    hidden: Annotated[int, Ge(0)] = 0
    """Width of the hidden layer before the output; 0: none, so that a network without images is a
    logistic regression.
    """
    l2: Annotated[float, Ge(0)] = 1e-3
    """Weight of the ridge penalty on all kernels."""

    def rules(self) -> Iterator[Rule]:
        """Require distinct clinical names, and sequences for an encoder."""
        yield len(set(self.clinical)) == len(self.clinical), "model.clinical: list each name once"
        yield (
            self.sequences or not self.encoder,
            "model.encoder reads images: set model.sequences",
        )

    @property
    def clinical_columns(self) -> tuple[str, ...]:
        """Names of the columns of ``Inputs.clinical``."""
        missing = self.clinical if self.missing == "indicator" else ()
        return (*self.clinical, *(f"{name} missing" for name in missing))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Arrays of the n patients of one centre, one row per patient.

    Args:
        centre: name of the centre.
        pseudonyms: name of each row.
        image: images (n, x, y, z, sequence); without images (n, 0).
        clinical: clinical features (n, feature); NaN where missing.
        treatment: radiotherapy (n, 5) in the order of TREATMENT_FEATURES; without it (n, 0).
        response: 1 for responders, 0 for others, NaN where unknown (n,).
        survival_days: survival or follow-up time in days (n,); NaN where unknown.
        died: 1 for death, 0 for censoring (n,); an unknown status counts as death.
        persons: person of each row; empty: each row is a different person.
        independent: whether the fold of a person depends on no other.
        entry_days: day of a delayed entry (n,); empty: nobody entered late.
    """

    centre: str
    pseudonyms: tuple[str, ...]
    image: NDArray[np.float32]
    clinical: NDArray[np.float64]
    treatment: NDArray[np.float32]
    response: NDArray[np.float32]
    survival_days: NDArray[np.float64]
    died: NDArray[np.float64]
    persons: tuple[str, ...] = ()
    independent: bool = False
    entry_days: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def entered(self) -> NDArray[np.float64]:
        """Day (n,) from which each patient was observed."""
        return self.entry_days if len(self.entry_days) else np.zeros(len(self.pseudonyms))

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices (m,) of the rows whose response is known."""
        return np.flatnonzero(np.isfinite(self.response))

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group (n,) of each row, balanced over folds: 0 non-responder, 1 responder, 2 unknown."""
        return np.where(np.isnan(self.response), 2, self.response > 0).astype(int)

    @property
    def features(self) -> NDArray[np.float64]:
        """Clinical features and radiotherapy side by side (n, p)."""
        return np.hstack([self.clinical, self.treatment])

    def take(self, index: NDArray[np.intp]) -> Self:
        """Select rows.

        Args:
            index: indices (m,) of the rows to keep, in the new order.

        Returns:
            Inputs of these m rows.
        """
        names = tuple(self.pseudonyms[i] for i in index)
        persons = tuple(self.persons[i] for i in index) if self.persons else ()
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        arrays["entry_days"] = self.entered[index]
        return replace(self, pseudonyms=names, persons=persons, **arrays)


_ARRAYS = ("image", "clinical", "treatment", "response", "survival_days", "died")
"""Fields of ``Inputs`` that are arrays with one row per patient."""


def concatenate(parts: list[Inputs]) -> Inputs:
    """Concatenate the rows of several inputs.

    Args:
        parts: inputs of one or more centres, with the same columns.

    Returns:
        All rows in order; ``centre`` joins the names of the centres with ``+``.
    """
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS
    }
    arrays["entry_days"] = np.concatenate([p.entered for p in parts])
    names = tuple(name for p in parts for name in p.pseudonyms)
    persons = tuple(name for p in parts for name in p.persons)
    centre = "+".join(p.centre for p in parts)
    return replace(parts[0], centre=centre, pseudonyms=names, persons=persons, **arrays)


@dataclass(frozen=True, eq=False)
class Followed(Inputs):
    """Patients of a training on survival instead of response; see ``Inputs``."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices (m,) of the rows whose survival time is known."""
        return np.flatnonzero(np.isfinite(self.survival_days))

    @property
    def groups(self) -> NDArray[np.intp]:
        """Group (n,) of each row, balanced over folds: 0 censored, 1 dead, 2 unknown."""
        return np.where(np.isnan(self.survival_days), 2, self.died > 0).astype(int)


@dataclass(frozen=True, eq=False)
class Everyone(Inputs):
    """Patients to predict, whether their outcome is known or not; see ``Inputs``."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices of all rows (n,)."""
        return np.arange(len(self.pseudonyms))


def followed(cohort: Cohort, config: ResponseModelConfig) -> Followed:
    """Turn the patients of a cohort into arrays for survival.

    Args:
        cohort: patients of one centre.
        config: inputs that the model needs.

    Returns:
        Rows of all patients in the order of the cohort.

    Raises:
        BadInput: no survival time is known, or a patient lacks an input that the model needs.
    """
    if not any(p.outcome.survival_days is not None for p in cohort.patients):
        raise BadInput(
            f"centre {cohort.centre}: no patient has a known survival time; fill the column "
            "'survival_days', or name the columns of a table in data.survival"
        )
    return Followed(**vars(inputs_of(cohort, config)))


def treatment_vector(treatment: Treatment) -> NDArray[np.float32]:
    """Compute the first four of TREATMENT_FEATURES: dose shares and BED / 100 Gy.

    Args:
        treatment: course of radiotherapy.

    Returns:
        Shares (4,) of photons, protons and carbon ions in the RBE-weighted dose, and BED / 100 Gy.

    Example:
        >>> from flame.core.treatment import Phase
        >>> treatment_vector(Treatment((Phase(Radiation.PHOTON, dose=60.0, fractions=30),)))
        array([1.  , 0.  , 0.  , 0.75], dtype=float32)
    """
    doses = dict.fromkeys(Radiation, 0.0)
    for phase in treatment.phases:
        doses[phase.radiation] += weighted_dose(phase)
    total = sum(doses.values())
    return np.array([*(d / total for d in doses.values()), bed(treatment) / 100], np.float32)


def build_inputs(cohort: Cohort, config: ResponseModelConfig) -> Inputs:
    """Turn the patients of a cohort into arrays for response.

    Args:
        cohort: patients of one centre.
        config: inputs that the model needs.

    Returns:
        Rows in the order of the cohort. A patient of unknown response has a row, for survival
        figures, unless an input is missing.

    Raises:
        BadInput: no response is known, or a patient of known response lacks an input that the model
            needs.
    """
    if not any(p.outcome.response is not None for p in cohort.patients):
        raise BadInput(
            f"centre {cohort.centre}: no patient has a known response; fill the column "
            "'response', or set data.horizon_days where survival is known"
        )
    _check_names(cohort, config)
    rows = []
    for patient in cohort.patients:
        try:
            rows.append(_row(patient, config, cohort.centre))
        except BadInput:
            if patient.outcome.response is not None:
                raise
    return _stacked(cohort.centre, config, rows)


def inputs_of(cohort: Cohort, config: ResponseModelConfig) -> Inputs:
    """Turn patients to predict into arrays.

    Args:
        cohort: patients of one centre.
        config: inputs that the model needs.

    Returns:
        Rows of all patients in the order of the cohort.

    Raises:
        BadInput: a patient lacks an input that the model needs.
    """
    _check_names(cohort, config)
    rows = [_row(patient, config, cohort.centre) for patient in cohort.patients]
    return _stacked(cohort.centre, config, rows)


def _check_names(cohort: Cohort, config: ResponseModelConfig) -> None:
    """Raise BadInput if the cohort lacks a clinical feature that the model needs."""
    for name in config.clinical:
        if name not in cohort.patients[0].clinical:
            hint = nearest(name, list(cohort.patients[0].clinical))
            raise BadInput(f"centre {cohort.centre}: no clinical feature '{name}': {hint}")


Row = tuple[Patient, NDArray[np.float32], NDArray[np.float32]]
"""Patient, image (x, y, z, sequence) and radiotherapy (5,); empty arrays for unused inputs."""


def _row(patient: Patient, config: ResponseModelConfig, centre: str) -> Row:
    return patient, _image(patient, config, centre), _treatment(patient, config, centre)


def _stacked(centre: str, config: ResponseModelConfig, rows: list[Row]) -> Inputs:
    """Stack the rows of one centre into arrays."""
    patients, images, treatments = zip(*rows, strict=True)
    outcomes = [p.outcome for p in patients]
    clinical = np.array([[p.clinical[f] for f in config.clinical] for p in patients], float)
    if config.missing == "indicator":
        clinical = np.hstack([clinical, np.isnan(clinical)])
    return Inputs(
        centre,
        tuple(p.pseudonym for p in patients),
        np.stack(images),
        clinical,
        np.stack(treatments),
        np.array([np.nan if o.response is None else o.response for o in outcomes], np.float32),
        np.array([np.nan if o.survival_days is None else o.survival_days for o in outcomes]),
        np.array([o.died is not False and o.survival_days is not None for o in outcomes], float),
        tuple(p.person or p.pseudonym for p in patients),
        entry_days=np.array([o.entry_days for o in outcomes]),
    )


def _image(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    """Return the baseline image (x, y, z, sequence) of a patient; empty without sequences."""
    if not config.sequences:
        return np.zeros((0,), np.float32)
    baseline = patient.baseline
    channels = []
    for name in config.sequences:
        scan = baseline.scans.get(Sequence(name)) if baseline else None
        if scan is None:
            raise BadInput(
                f"centre {centre}: patient {patient.pseudonym} has no {name} before radiotherapy; "
                f"leave the response of this patient empty, or remove {name} from model.sequences"
            )
        channels.append(scan.voxels)
    if not config.encoder:
        return np.stack(channels, axis=-1)
    # The encoder of a segmentation run has one channel per sequence; a missing sequence is 0.
    image = np.zeros((*channels[0].shape, len(STRUCTURAL)), np.float32)
    for name, voxels in zip(config.sequences, channels, strict=True):
        image[..., STRUCTURAL.index(Sequence(name))] = voxels
    return image


def _treatment(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    """Return the radiotherapy array (5,) of a patient; empty if the model does not use it."""
    if not config.treatment:
        return np.zeros((0,), np.float32)
    if patient.treatment is None:
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no radiotherapy plan; add it to "
            "treatments.tsv or set model.treatment=false"
        )
    first = courses(patient.treatment)[0]  # a re-irradiation lies after the outcome
    # BED and EQD2 of the brain together distinguish larger fractions from a larger dose.
    brain = np.float32(eqd2(first, LATE_BRAIN) / 100)
    return np.append(treatment_vector(first), brain)

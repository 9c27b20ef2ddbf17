"""What a response model sees of a patient: image, clinical and radiotherapy arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, MultipleOf
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.registry import nearest
from flame.core.treatment import Radiation, Treatment
from flame.models.clinical.radiobiology import LATE_BRAIN, bed, eqd2, weighted_dose

TREATMENT_FEATURES = (
    "photon share",
    "proton share",
    "carbon share",
    "BED / 100 Gy",
    "EQD2 of brain / 100 Gy",
)


@dataclass(frozen=True)
class ResponseModelConfig(Section):
    """Which branches a response model has, and their size."""

    kind: str = "network"
    """How response is learned: network, or logistic (a regression from exact sums)."""
    missing: Literal["mean", "indicator"] = "mean"
    """A missing clinical value is put at the mean; with indicator, a column says it is missing."""
    encoder: str = ""
    """Run folder on segmentation whose network reads the images here, too."""
    sequences: tuple[Literal["T1", "T1C", "T2", "FLAIR"], ...] = ()
    """MR sequences that the model sees; empty: no images."""
    voxel_mm: Annotated[float, Gt(0)] = 6.0
    """Voxel size in mm at which images are sampled."""
    clinical: tuple[str, ...] = ()
    """Clinical features, and ``radiomics.`` families of features of the tumour."""
    treatment: bool = False
    """Whether the model sees the course of radiotherapy."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 8
    """Width of the first convolution."""
    hidden: Annotated[int, Ge(0)] = 0
    """Width of the layer before the output; 0: none, which makes a logistic regression of a
    network without images."""
    l2: Annotated[float, Ge(0)] = 1e-3
    """Ridge penalty on all kernels."""

    def rules(self) -> Iterator[Rule]:
        """Names are given once, and an encoder reads images."""
        yield len(set(self.clinical)) == len(self.clinical), "model.clinical: each name once"
        yield (
            self.sequences or not self.encoder,
            "model.encoder reads images: name model.sequences",
        )

    @property
    def clinical_columns(self) -> tuple[str, ...]:
        """Names of the clinical columns of ``Inputs``."""
        missing = self.clinical if self.missing == "indicator" else ()
        return (*self.clinical, *(f"{name} missing" for name in missing))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Arrays of the patients of one centre, one row a patient.

    ``image`` (n, x, y, z, sequence), ``clinical`` (n, feature; NaN missing), ``treatment``
    (n, 5), ``response`` (n,) 1 for responders and NaN where unknown, ``survival_days`` (n,; NaN
    unknown) and ``died`` (n,): a missing status counts as a death. ``persons`` says whose row it
    is, with a row a person those of ``pseudonyms``.
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

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Rows whose response is known."""
        return np.flatnonzero(np.isfinite(self.response))

    @property
    def groups(self) -> NDArray[np.intp]:
        """0 for non-responders, 1 for responders, 2 for unknown."""
        return np.where(np.isnan(self.response), 2, self.response > 0).astype(int)

    @property
    def features(self) -> NDArray[np.float64]:
        """Clinical features and radiotherapy (n, p)."""
        return np.hstack([self.clinical, self.treatment])

    def take(self, index: NDArray[np.intp]) -> Self:
        """Return the rows ``index``."""
        names = tuple(self.pseudonyms[i] for i in index)
        persons = tuple(self.persons[i] for i in index) if self.persons else ()
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        return replace(self, pseudonyms=names, persons=persons, **arrays)


_ARRAYS = ("image", "clinical", "treatment", "response", "survival_days", "died")


def concatenate(parts: list[Inputs]) -> Inputs:
    """All rows of ``parts`` as one."""
    arrays = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS}
    names = tuple(name for p in parts for name in p.pseudonyms)
    persons = tuple(name for p in parts for name in p.persons)
    return type(parts[0])("+".join(p.centre for p in parts), names, **arrays, persons=persons)


@dataclass(frozen=True, eq=False)
class Followed(Inputs):
    """Patients whose survival, not response, is to be learned."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Rows whose survival time is known."""
        return np.flatnonzero(np.isfinite(self.survival_days))

    @property
    def groups(self) -> NDArray[np.intp]:
        """0 for the censored, 1 for the dead, 2 for unknown."""
        return np.where(np.isnan(self.survival_days), 2, self.died > 0).astype(int)


@dataclass(frozen=True, eq=False)
class Everyone(Inputs):
    """Patients of whom something is to be said, whatever is known of them."""

    @property
    def labelled(self) -> NDArray[np.intp]:
        """All rows."""
        return np.arange(len(self.pseudonyms))


def followed(cohort: Cohort, config: ResponseModelConfig) -> Followed:
    """Turn the patients of ``cohort`` into arrays; BadInput where no survival time is known."""
    if not any(p.outcome.survival_days is not None for p in cohort.patients):
        raise BadInput(
            f"centre {cohort.centre}: no patient has a known survival time; fill the column "
            "'survival_days', or name the columns of a table in data.survival"
        )
    return Followed(**vars(inputs_of(cohort, config)))


def treatment_vector(treatment: Treatment) -> NDArray[np.float32]:
    """Dose shares of photon, proton and carbon (RBE-weighted), and BED in units of 100 Gy."""
    doses = dict.fromkeys(Radiation, 0.0)
    for phase in treatment.phases:
        doses[phase.radiation] += weighted_dose(phase)
    total = sum(doses.values())
    return np.array([*(d / total for d in doses.values()), bed(treatment) / 100], np.float32)


def build_inputs(cohort: Cohort, config: ResponseModelConfig) -> Inputs:
    """Turn the patients of ``cohort`` into arrays.

    Patients of unknown response are kept for survival figures where the model can predict them.
    Raises BadInput where no response is known, or where a labelled patient lacks what the model
    needs.
    """
    if not any(p.outcome.response is not None for p in cohort.patients):
        raise BadInput(
            f"centre {cohort.centre}: no patient has a known response; fill the column "
            "'response', or set data.horizon_days where survival is known"
        )
    _named(cohort, config)
    rows = []
    for patient in cohort.patients:
        try:
            rows.append(_row(patient, config, cohort.centre))
        except BadInput:
            if patient.outcome.response is not None:
                raise
    return _stacked(cohort.centre, config, rows)


def inputs_of(cohort: Cohort, config: ResponseModelConfig) -> Inputs:
    """Turn patients whose response is to be predicted into arrays; BadInput where one cannot be."""
    _named(cohort, config)
    rows = [_row(patient, config, cohort.centre) for patient in cohort.patients]
    return _stacked(cohort.centre, config, rows)


def _named(cohort: Cohort, config: ResponseModelConfig) -> None:
    for name in config.clinical:
        if name not in cohort.patients[0].clinical:
            hint = nearest(name, list(cohort.patients[0].clinical))
            raise BadInput(f"centre {cohort.centre}: no clinical feature '{name}': {hint}")


Row = tuple[Patient, NDArray[np.float32], NDArray[np.float32]]


def _row(patient: Patient, config: ResponseModelConfig, centre: str) -> Row:
    return patient, _image(patient, config, centre), _treatment(patient, config, centre)


def _stacked(centre: str, config: ResponseModelConfig, rows: list[Row]) -> Inputs:
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
    )


def _image(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    if not config.sequences:
        return np.zeros((0,), np.float32)
    baseline = patient.baseline
    channels = []
    for name in config.sequences:
        scan = baseline.scans.get(Sequence(name)) if baseline else None
        if scan is None:
            raise BadInput(
                f"centre {centre}: patient {patient.pseudonym} has no {name} before radiotherapy; "
                "leave the response of this patient empty, or set model.sequences without it"
            )
        channels.append(scan.voxels)
    if not config.encoder:
        return np.stack(channels, axis=-1)
    # The network of a segmentation run has a channel for each sequence, 0 where there is none.
    image = np.zeros((*channels[0].shape, len(Sequence)), np.float32)
    for name, voxels in zip(config.sequences, channels, strict=True):
        image[..., list(Sequence).index(Sequence(name))] = voxels
    return image


def _treatment(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    if not config.treatment:
        return np.zeros((0,), np.float32)
    if patient.treatment is None:
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no radiotherapy plan; add it to "
            "treatments.tsv or set model.treatment=false"
        )
    # With both, the model can tell a course of large fractions from one of a larger dose.
    brain = np.float32(eqd2(patient.treatment, LATE_BRAIN) / 100)
    return np.append(treatment_vector(patient.treatment), brain)

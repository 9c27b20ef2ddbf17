"""What a response model sees of a patient: image, clinical and radiotherapy arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.registry import nearest
from flame.core.treatment import Radiation, Treatment
from flame.models.radiobiology import bed, weighted_dose

TREATMENT_FEATURES = ("photon share", "proton share", "carbon share", "BED / 100 Gy")


@dataclass(frozen=True)
class ResponseModelConfig:
    """Which branches a response model has, and their size.

    ``sequences`` empty means no image branch, ``clinical`` empty no clinical branch. Images are
    sampled at ``voxel_mm``; ``filters`` is the width of the first convolution; ``hidden`` the
    width of the layer before the output (0: none, so that clinical features alone give a
    logistic regression); ``l2`` the penalty on all kernels.
    """

    sequences: tuple[str, ...] = ()
    voxel_mm: float = 6.0
    clinical: tuple[str, ...] = ()
    treatment: bool = False
    filters: int = 8
    hidden: int = 0
    l2: float = 1e-3


@dataclass(frozen=True, eq=False)
class Inputs:
    """Arrays of the labelled patients of one centre, one row a patient.

    ``image`` (n, x, y, z, sequence), ``clinical`` (n, feature; NaN missing), ``treatment``
    (n, 4), ``response`` (n,) 1 for responders, ``survival_days`` and ``died`` (n,; NaN unknown).
    """

    centre: str
    pseudonyms: tuple[str, ...]
    image: NDArray[np.float32]
    clinical: NDArray[np.float64]
    treatment: NDArray[np.float32]
    response: NDArray[np.float32]
    survival_days: NDArray[np.float64]
    died: NDArray[np.float64]

    def take(self, index: NDArray[np.intp]) -> "Inputs":
        """Return the rows ``index``."""
        return Inputs(
            self.centre, tuple(self.pseudonyms[i] for i in index), self.image[index],
            self.clinical[index], self.treatment[index], self.response[index],
            self.survival_days[index], self.died[index],
        )  # fmt: skip


def treatment_vector(treatment: Treatment) -> NDArray[np.float32]:
    """Dose shares of photon, proton and carbon (RBE-weighted), and BED in units of 100 Gy."""
    doses = dict.fromkeys(Radiation, 0.0)
    for phase in treatment.phases:
        doses[phase.radiation] += weighted_dose(phase)
    total = sum(doses.values())
    return np.array([*(d / total for d in doses.values()), bed(treatment) / 100], np.float32)


def build_inputs(cohort: Cohort, config: ResponseModelConfig) -> Inputs:
    """Turn the patients of ``cohort`` whose response is known into arrays.

    Raises BadInput where no response is known, or where a patient lacks what the model needs.
    """
    patients = [p for p in cohort.patients if p.outcome.response is not None]
    if not patients:
        raise BadInput(
            f"centre {cohort.centre}: no patient has a known response; fill the column "
            "'response' of its clinical table, or set data.survival and data.horizon_days"
        )
    for name in config.clinical:
        if name not in patients[0].clinical:
            hint = nearest(name, list(patients[0].clinical))
            raise BadInput(f"centre {cohort.centre}: no clinical feature '{name}': {hint}")
    nothing = np.nan
    return Inputs(
        cohort.centre,
        tuple(p.pseudonym for p in patients),
        np.stack([_image(p, config, cohort.centre) for p in patients]),
        np.array([[p.clinical[f] for f in config.clinical] for p in patients], float),
        np.stack([_treatment(p, config, cohort.centre) for p in patients]),
        np.array([p.outcome.response for p in patients], np.float32),
        np.array([_or(p.outcome.survival_days, nothing) for p in patients]),
        np.array([_or(p.outcome.died, nothing) for p in patients], float),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _image(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    if not config.sequences:
        return np.zeros((0,), np.float32)
    baseline = patient.baseline
    channels = []
    for name in config.sequences:
        scan = baseline.scans.get(Sequence(name)) if baseline else None
        if scan is None:
            raise BadInput(
                f"centre {centre}: a patient has no {name} before radiotherapy; exclude the "
                f"patient or train without it (--set 'model.sequences=[...]')"
            )
        channels.append(scan.voxels)
    return np.stack(channels, axis=-1)


def _treatment(patient: Patient, config: ResponseModelConfig, centre: str) -> NDArray[np.float32]:
    if not config.treatment:
        return np.zeros((0,), np.float32)
    if patient.treatment is None:
        raise BadInput(
            f"centre {centre}: a patient has no radiotherapy plan; add it to treatments.tsv or "
            "set model.treatment=false"
        )
    return treatment_vector(patient.treatment)

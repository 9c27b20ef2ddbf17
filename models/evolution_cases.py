"""Patients as hospitals have them, turned into evolution cases."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, LabelMap, Sequence
from flame.core.treatment import Treatment
from flame.models.evolution import EvolutionCase
from flame.models.radiobiology import RBE, weighted_dose
from flame.preprocessing.atlas import tissues
from flame.preprocessing.interpolation import resample, resample_labels

SIDE, VOXEL_MM = 40, 3.0
"""A cube of 120 mm around the tumour."""
SEQUENCES = (Sequence.T1C, Sequence.FLAIR)

Matrix = NDArray[np.float64]


def evolution_case(patient: Patient, centre: str) -> EvolutionCase:
    """Return the case of a ``patient`` in MNI space, on a cube around the tumour.

    Raises BadInput that names the patient where radiotherapy, dose or the mask before it is not
    there.
    """
    name = f"centre {centre}: patient {patient.pseudonym}"
    if patient.treatment is None:
        raise BadInput(f"{name} has no radiotherapy plan; add it to treatments.tsv")
    drawn = [t for t in patient.timepoints if t.tumour is not None and t.tumour.voxels.any()]
    before = [t for t in drawn if t.day <= 0]
    if not before:
        raise BadInput(f"{name} has no tumour mask before radiotherapy; draw a GTV, or predict one")
    baseline = before[-1]
    dose = baseline.dose or next((t.dose for t in patient.timepoints if t.dose), None)
    if dose is None:
        raise BadInput(f"{name} has no dose; add the RT Dose of the plan to the DICOM folder")
    assert baseline.tumour is not None
    grid, shape = cube_around(baseline.tumour), (SIDE,) * 3
    return EvolutionCase(
        patient.pseudonym, centre, VOXEL_MM, baseline.day, _mask(baseline, grid),
        _images(baseline, grid), *tissues(grid, shape),
        resample(dose.voxels, dose.affine, grid, shape) * _weight(dose, patient.treatment),
        patient.treatment,
        (before[-2].day, _mask(before[-2], grid)) if len(before) > 1 else None,
        tuple((t.day, _mask(t, grid)) for t in patient.timepoints
              if t.tumour is not None and t.day > max(baseline.day, 0)),
    )  # fmt: skip


def cube_around(mask: LabelMap) -> Matrix:
    """RAS+ affine of a cube of SIDE voxels of VOXEL_MM along the axes of the world."""
    centre = mask.affine @ [*center_of_mass(mask.voxels > 0), 1]
    grid = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid[:3, 3] = centre[:3] - VOXEL_MM * (SIDE - 1) / 2
    return grid


def _mask(timepoint: Timepoint, grid: Matrix) -> NDArray[np.bool_]:
    assert timepoint.tumour is not None
    return np.asarray(resample_labels(timepoint.tumour, grid, (SIDE,) * 3).voxels, bool)


def _images(timepoint: Timepoint, grid: Matrix) -> NDArray[np.float32]:
    """Sequences as last axis; zeros for one that is not there."""
    found = []
    for sequence in SEQUENCES:
        scan = timepoint.scans.get(sequence)
        shape = (SIDE,) * 3
        empty = np.zeros(shape, np.float32)
        found.append(resample(scan.voxels, scan.affine, grid, shape) if scan else empty)
    return np.stack(found, axis=-1)


def _weight(dose: DoseMap, treatment: Treatment) -> np.float32:
    """RBE-weighted over recorded dose: 1 where the dose map is weighted already."""
    if dose.biological:
        return np.float32(1)
    weighted = [weighted_dose(p) for p in treatment.phases]
    physical = [w / RBE[p.radiation] for w, p in zip(weighted, treatment.phases, strict=True)]
    return np.float32(sum(weighted) / sum(physical))

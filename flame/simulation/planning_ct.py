"""Simulated planning CT: skull, air, couch and noise, in a frame of reference of its own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage
from scipy.ndimage import affine_transform

from flame.simulation.anatomy import TISSUES, Head
from flame.simulation.dicom_images import Study, base_dataset, save, uid

HOUNSFIELD = {
    "csf": 10.0,
    "grey": 38.0,
    "white": 30.0,
    "bone": 1300.0,
    "marrow": 350.0,
    "muscle": 55.0,
    "fat": -90.0,
}
"""CT number in HU of each tissue."""
AIR_HU = -1000.0
"""CT number of air in HU."""
COUCH_HU = 150.0
"""CT number of the couch in HU."""
NOISE_HU = 12.0
"""Standard deviation of the noise in HU."""
_MARGIN_MM = 25.0
"""Field of view beyond the head in mm."""
_COUCH_MM = (8.0, 20.0)
"""Distance of the couch below the head, and its thickness, in mm."""

Matrix = NDArray[np.float64]
Grid = tuple[Matrix, tuple[int, ...]]


def ct_grid(head: Head, position: Matrix, spacing: tuple[float, float, float]) -> Grid:
    """Compute the axial field of view of a CT around a head.

    Args:
        head: head of the patient.
        position: matrix (4, 4) from voxels of the head to the RAS+ world of the CT in mm.
        spacing: voxel size along x, y and z in mm.

    Returns:
        RAS+ affine (4, 4) in mm with axes along those of the world, and the shape.
    """
    index = np.argwhere(head.tissues.sum(axis=0) > 0.1)
    world = index @ position[:3, :3].T + position[:3, 3]
    low = world.min(axis=0) - _MARGIN_MM
    high = world.max(axis=0) + _MARGIN_MM
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = low
    shape = np.ceil((high - low) / np.array(spacing)).astype(int)
    return affine, tuple(int(n) for n in shape)


def hounsfield(
    head: Head, position: Matrix, grid: Grid, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Scan a head with a CT.

    Args:
        head: head of the patient.
        position: matrix (4, 4) from voxels of the head to the RAS+ world of the CT in mm.
        grid: affine and shape of ``ct_grid``.
        rng: random numbers of the patient.

    Returns:
        CT numbers (x, y, z) in HU.
    """
    affine, shape = grid
    table = np.array([HOUNSFIELD[t] for t in TISSUES]) - AIR_HU
    still = AIR_HU + np.tensordot(table, head.tissues, axes=1)
    pull = np.linalg.inv(position) @ affine
    image = affine_transform(
        still, pull[:3, :3], pull[:3, 3], output_shape=shape, order=1, cval=AIR_HU
    )
    occupied = np.flatnonzero((image > -500).any(axis=(0, 2)))
    near, thick = (round(mm / affine[1, 1]) for mm in _COUCH_MM)
    top = max(int(occupied[0]) - near, 0)
    image[:, max(top - thick, 0) : top] = COUCH_HU
    noise = rng.normal(scale=NOISE_HU, size=shape)
    return np.asarray(np.clip(np.rint(image + noise), -1024, 3071), np.int16)


def write_ct(folder: Path, study: Study, values: NDArray[np.int16], affine: Matrix) -> None:
    """Write a CT as DICOM, one file per slice.

    Args:
        folder: folder of the files.
        study: patient and study.
        values: CT numbers (x, y, z) in HU.
        affine: RAS+ affine (4, 4) in mm with axes along those of the world.
    """
    spacing = np.diag(affine)[:3]
    rows = values[::-1, ::-1]  # LPS+ order of columns and rows
    corner = affine[:3, 3] + affine[:3, :3] @ (np.array(values.shape) - 1) * [1, 1, 0]
    for z in range(values.shape[2]):
        dataset = base_dataset(study, CTImageStorage, uid(study.study_uid, "CT", z), "CT")
        dataset.SeriesInstanceUID = uid(study.study_uid, "CT", "series")
        dataset.SeriesNumber = 1
        dataset.SeriesDescription = "Planning CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Manufacturer = "FLAME simulator"
        dataset.KVP = "120"
        dataset.InstanceNumber = z + 1
        dataset.AcquisitionDate = dataset.StudyDate
        dataset.PatientPosition = "HFS"
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        place = (corner + [0, 0, z * spacing[2]]) * [-1, -1, 1]
        dataset.ImagePositionPatient = [f"{v:.4f}" for v in place]
        dataset.PixelSpacing = [f"{spacing[1]:.4f}", f"{spacing[0]:.4f}"]
        dataset.SliceThickness = f"{spacing[2]:.4f}"
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "HU"
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Columns, dataset.Rows = values.shape[:2]
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 1
        dataset.PixelData = np.ascontiguousarray(rows[:, :, z].T).tobytes()
        save(dataset, folder / f"CT{z + 1:04d}.dcm")

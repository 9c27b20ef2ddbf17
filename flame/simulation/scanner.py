"""Scanners: contrast, bias field, noise, orientation and DICOM attributes of their images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from flame.core.imaging import Sequence
from flame.simulation.anatomy import Head
from flame.simulation.tumour import visible
from flame.simulation.world import WORLDS, World

Volume = NDArray[np.float32]

# Relative signal of CSF, grey, white, bone, marrow, muscle, fat, then oedema, enhancing, necrosis.
_SIGNAL = {
    Sequence.T1: (0.20, 0.55, 0.80, 0.08, 0.50, 0.45, 1.00, 0.45, 0.50, 0.30),
    Sequence.T1C: (0.20, 0.57, 0.80, 0.08, 0.50, 0.50, 1.00, 0.45, 1.15, 0.28),
    Sequence.T2: (1.00, 0.60, 0.45, 0.08, 0.40, 0.30, 0.70, 0.85, 0.72, 0.95),
    Sequence.FLAIR: (0.15, 0.65, 0.50, 0.08, 0.40, 0.35, 0.65, 1.00, 0.85, 0.50),
}

TISSUES_OF_TUMOUR = ("oedema", "enhancing", "necrosis")
"""Parts of a tumour, in the order of the last columns of the signal table."""

_TIMING = {
    Sequence.T1: {"RepetitionTime": 8.2, "EchoTime": 3.2, "InversionTime": 900.0},
    Sequence.T1C: {"RepetitionTime": 8.2, "EchoTime": 3.2, "InversionTime": 900.0},
    Sequence.T2: {"RepetitionTime": 4200.0, "EchoTime": 98.0},
    Sequence.FLAIR: {"RepetitionTime": 9000.0, "EchoTime": 120.0, "InversionTime": 2500.0},
}
"""TR, TE and TI in ms, by DICOM keyword."""


@dataclass(frozen=True)
class Scanner:
    """The scanner of one hospital.

    Args:
        manufacturer: DICOM Manufacturer.
        model: DICOM ManufacturerModelName.
        field: magnetic field strength in T.
        orientation: row and column direction cosines (6,) of the slices in LPS, as in DICOM
            ImageOrientationPatient.
        thickness: slice thickness over the nominal spacing.
        contrast: exponent of the relative signal.
        bias: peak-to-peak of the multiplicative bias field.
        noise: sigma of the Rician noise, as share of the brightest signal.
        gain: stored value of a relative signal of 1.
        descriptions: DICOM SeriesDescription by sequence.
    """

    manufacturer: str
    model: str
    field: float
    orientation: tuple[float, ...]
    thickness: float
    contrast: float
    bias: float
    noise: float
    gain: float
    descriptions: dict[Sequence, str]


def _named(t1: str, t1c: str, t2: str, flair: str) -> dict[Sequence, str]:
    return dict(zip(Sequence, (t1, t1c, t2, flair), strict=True))


_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_TILTED = (1.0, 0.0, 0.0, 0.0, 0.9781476, -0.2079117)
_SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
_CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

SCANNERS = (
    Scanner(
        "SIEMENS",
        "Prisma_fit",
        3.0,
        _AXIAL,
        1.0,
        1.00,
        0.25,
        0.015,
        900,
        _named("t1_mprage_tra", "t1_mprage_tra +C", "t2_tse_tra", "t2_flair_tra"),
    ),
    Scanner(
        "GE MEDICAL SYSTEMS",
        "SIGNA Pioneer",
        1.5,
        _SAGITTAL,
        1.0,
        1.15,
        0.45,
        0.030,
        2400,
        _named("Sag BRAVO", "Sag BRAVO POST GAD", "Sag CUBE T2", "Sag CUBE T2 FLAIR"),
    ),
    Scanner(
        "Philips Medical Systems",
        "Ingenia",
        1.5,
        _TILTED,
        1.5,
        0.88,
        0.35,
        0.025,
        600,
        _named("T1W_3D_TFE", "T1W_3D_TFE Gd", "T2W_TSE", "FLAIR_longTR"),
    ),
    Scanner(
        "TOSHIBA_MEC",
        "MRT200SP4",
        3.0,
        _CORONAL,
        1.2,
        1.05,
        0.55,
        0.020,
        1500,
        _named("T1 3D cor", "T1 3D cor CE", "T2 cor", "FLAIR cor"),
    ),
)
"""The scanners; a ``World`` selects them by index."""


def timing(sequence: Sequence) -> dict[str, float]:
    """Return TR, TE and TI in ms by DICOM keyword; T2 has no TI.

    Args:
        sequence: the sequence.
    """
    return _TIMING[sequence]


def relative_signal(sequence: Sequence, contrast: float) -> NDArray[np.float64]:
    """Return the relative signal (10,) of the tissues of ``Head`` and of ``TISSUES_OF_TUMOUR``.

    Args:
        sequence: the sequence.
        contrast: exponent of the scanner.
    """
    return np.asarray(_SIGNAL[sequence]) ** contrast


def signal(
    head: Head,
    live: Volume,
    dead: Volume,
    sequence: Sequence,
    contrast: float,
    world: World = WORLDS["a"],
) -> Volume:
    """Return the noise-free signal (x, y, z) on the anatomical grid; tumour replaces tissue.

    Args:
        head: head of the patient.
        live: density of live cells (x, y, z).
        dead: density of dead cells (x, y, z).
        sequence: the sequence.
        contrast: exponent of the scanner.
        world: the simulated world.
    """
    table = relative_signal(sequence, contrast)
    tissue = np.tensordot(table[:7], head.tissues, axes=1)
    seen = visible(live, dead, world)

    def above(threshold: float) -> Volume:
        return np.asarray(np.clip((seen - threshold) / 0.08 + 0.5, 0, 1), np.float32)

    for threshold, value in zip(world.thresholds, table[7:], strict=True):
        share = above(threshold)
        tissue = tissue * (1 - share) + value * share
    return np.asarray(tissue, np.float32)


def acquisition_grid(
    scanner: Scanner, head: Head, spacing: float
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Return the grid of a scanner's field of view, which spans the head and 15 mm around it.

    Args:
        scanner: the scanner.
        head: head of the patient.
        spacing: nominal voxel size in mm; the scanner multiplies it along the slice normal.

    Returns:
        RAS+ affine in mm with axes (column, row, slice), and the shape along them.
    """
    flip = np.diag([-1.0, -1.0, 1.0])
    row, column = (flip @ np.asarray(scanner.orientation).reshape(2, 3).T).T
    normal = np.cross(flip @ row, flip @ column) @ flip
    axes = np.stack([row, column, normal], axis=1)
    voxel = np.array([spacing, spacing, spacing * scanner.thickness])
    there = np.argwhere(head.tissues.sum(axis=0) > 0.1)
    extent = (there @ head.affine[:3, :3].T + head.affine[:3, 3]) @ axes
    low, high = extent.min(axis=0) - 15, extent.max(axis=0) + 15
    shape = np.ceil((high - low) / voxel).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes * voxel
    affine[:3, 3] = axes @ low
    return affine, (int(shape[0]), int(shape[1]), int(shape[2]))


def pose(rng: np.random.Generator, degrees: float, mm: float) -> NDArray[np.float64]:
    """Return a random rigid movement of a head as a 4x4 matrix.

    Args:
        rng: random numbers of the patient.
        degrees: largest rotation about each axis in degrees.
        mm: largest shift along each axis in mm.
    """
    matrix = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(rng.uniform(-degrees, degrees, 3))):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix[:3, 3] = rng.uniform(-mm, mm, 3)
    return matrix


def acquire(
    scanner: Scanner,
    image: Volume,
    head_affine: NDArray[np.float64],
    grid: tuple[NDArray[np.float64], tuple[int, int, int]],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Scan an image: resample it to the scanner grid, apply the bias field and add Rician noise.

    Args:
        scanner: the scanner.
        image: noise-free signal (x, y, z).
        head_affine: 4x4 matrix from voxels of ``image`` to the scanner's RAS+ space in mm.
        grid: affine and shape of ``acquisition_grid``.
        rng: random numbers of the patient.

    Returns:
        Stored values of 12 bits (column, row, slice).
    """
    affine, shape = grid
    pull = np.linalg.inv(head_affine) @ affine
    step = np.abs(pull[:3, :3]).max(axis=1)
    smooth = gaussian_filter(image, 0.42 * np.sqrt(np.maximum(step**2 - 1, 0)))
    seen = affine_transform(smooth, pull[:3, :3], pull[:3, 3], output_shape=shape, order=1)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij", sparse=True)
    a, b, c, q = rng.uniform(-1, 1, 4)
    field = a * axes[0] + b * axes[1] + c * axes[2] + q * (axes[0] ** 2 + axes[1] ** 2)
    field = 1 + scanner.bias * field / np.ptp(field)
    noise = rng.normal(scale=scanner.noise, size=(2, *shape))
    measured = np.hypot(seen * field + noise[0], noise[1])
    return np.asarray(np.clip(np.rint(measured * scanner.gain), 0, 4095), np.uint16)

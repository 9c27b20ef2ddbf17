"""Scanners: contrast, bias field, noise, orientation and DICOM attributes of their images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from flame.core.imaging import STRUCTURAL, Sequence
from flame.simulation.anatomy import Head
from flame.simulation.tumour import visible
from flame.simulation.world import WORLDS, World

Volume = NDArray[np.float32]

_SIGNAL = {
    Sequence.T1: (0.20, 0.55, 0.80, 0.08, 0.50, 0.45, 1.00, 0.45, 0.50, 0.30),
    Sequence.T1C: (0.20, 0.57, 0.80, 0.08, 0.50, 0.50, 1.00, 0.45, 1.15, 0.28),
    Sequence.T2: (1.00, 0.60, 0.45, 0.08, 0.40, 0.30, 0.70, 0.85, 0.72, 0.95),
    Sequence.FLAIR: (0.15, 0.65, 0.50, 0.08, 0.40, 0.35, 0.65, 1.00, 0.85, 0.50),
}
"""Relative signal of the tissues of ``Head``, then of ``TISSUES_OF_TUMOUR``."""

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
        thickness: ratio of the slice thickness to the nominal spacing.
        contrast: exponent of the relative signal.
        bias: peak-to-peak amplitude of the multiplicative bias field.
        noise: sigma of the Rician noise, as a share of a relative signal of 1.
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
    """Return the series descriptions by sequence."""
    return dict(zip(STRUCTURAL, (t1, t1c, t2, flair), strict=True))


_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Row and column direction cosines (6,) of axial slices in LPS, as of the other orientations."""
_TILTED = (1.0, 0.0, 0.0, 0.0, 0.9781476, -0.2079117)
"""Axial slices, tilted by 12 degrees about the left-right axis."""
_SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
"""Sagittal slices."""
_CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
"""Coronal slices."""

SCANNERS = (
    Scanner(
        manufacturer="SIEMENS",
        model="Prisma_fit",
        field=3.0,
        orientation=_AXIAL,
        thickness=1.0,
        contrast=1.00,
        bias=0.25,
        noise=0.015,
        gain=900,
        descriptions=_named("t1_mprage_tra", "t1_mprage_tra +C", "t2_tse_tra", "t2_flair_tra"),
    ),
    Scanner(
        manufacturer="GE MEDICAL SYSTEMS",
        model="SIGNA Pioneer",
        field=1.5,
        orientation=_SAGITTAL,
        thickness=1.0,
        contrast=1.15,
        bias=0.45,
        noise=0.030,
        gain=2400,
        descriptions=_named("Sag BRAVO", "Sag BRAVO POST GAD", "Sag CUBE T2", "Sag CUBE T2 FLAIR"),
    ),
    Scanner(
        manufacturer="Philips Medical Systems",
        model="Ingenia",
        field=1.5,
        orientation=_TILTED,
        thickness=1.5,
        contrast=0.88,
        bias=0.35,
        noise=0.025,
        gain=600,
        descriptions=_named("T1W_3D_TFE", "T1W_3D_TFE Gd", "T2W_TSE", "FLAIR_longTR"),
    ),
    Scanner(
        manufacturer="TOSHIBA_MEC",
        model="MRT200SP4",
        field=3.0,
        orientation=_CORONAL,
        thickness=1.2,
        contrast=1.05,
        bias=0.55,
        noise=0.020,
        gain=1500,
        descriptions=_named("T1 3D cor", "T1 3D cor CE", "T2 cor", "FLAIR cor"),
    ),
)
"""The scanners; a ``World`` selects them by index."""


def timing(sequence: Sequence) -> dict[str, float]:
    """Return the timing of a sequence, which is the same on every scanner.

    Args:
        sequence: MRI sequence.

    Returns:
        TR, TE and TI in ms by DICOM keyword; T2 has no TI.
    """
    return _TIMING[sequence]


def relative_signal(sequence: Sequence, contrast: float) -> NDArray[np.float64]:
    """Compute the relative signal of each tissue on a scanner.

    Args:
        sequence: MRI sequence.
        contrast: exponent of the scanner.

    Returns:
        Relative signal (10,) of the tissues of ``Head``, then of ``TISSUES_OF_TUMOUR``.
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
    """Simulate the noise-free signal of a head, in which tumour replaces tissue.

    Args:
        head: head of the patient.
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        sequence: MRI sequence.
        contrast: exponent of the scanner.
        world: simulated world.

    Returns:
        Relative signal (x, y, z) on the anatomical grid.
    """
    table = relative_signal(sequence, contrast)
    tissue = np.tensordot(table[:7], head.tissues, axes=1)
    density = visible(live, dead, world)

    def above(threshold: float) -> Volume:
        """Return the share of each voxel above a threshold; 0.08 is the width of the edge."""
        return np.asarray(np.clip((density - threshold) / 0.08 + 0.5, 0, 1), np.float32)

    for threshold, value in zip(world.thresholds, table[7:], strict=True):
        share = above(threshold)
        tissue = tissue * (1 - share) + value * share
    return np.asarray(tissue, np.float32)


def acquisition_grid(
    scanner: Scanner, head: Head, spacing: float
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Compute the grid of a scanner's field of view, which spans the head and 15 mm around it.

    Args:
        scanner: scanner that acquires the volume.
        head: head of the patient.
        spacing: nominal voxel size in mm; along the slice normal it is multiplied by ``thickness``
            of the scanner.

    Returns:
        RAS+ affine (4, 4) in mm with axes (column, row, slice), and the shape along them.
    """
    flip = np.diag([-1.0, -1.0, 1.0])
    row, column = (flip @ np.asarray(scanner.orientation).reshape(2, 3).T).T
    normal = np.cross(flip @ row, flip @ column) @ flip
    axes = np.stack([row, column, normal], axis=1)
    voxel = np.array([spacing, spacing, spacing * scanner.thickness])
    index = np.argwhere(head.tissues.sum(axis=0) > 0.1)
    extent = (index @ head.affine[:3, :3].T + head.affine[:3, 3]) @ axes
    low = extent.min(axis=0) - 15
    high = extent.max(axis=0) + 15
    shape = np.ceil((high - low) / voxel).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes * voxel
    affine[:3, 3] = axes @ low
    return affine, (int(shape[0]), int(shape[1]), int(shape[2]))


def pose(rng: np.random.Generator, degrees: float, mm: float) -> NDArray[np.float64]:
    """Draw a random rigid movement of a head.

    Args:
        rng: random numbers of the patient.
        degrees: largest rotation about each axis in degrees.
        mm: largest shift along each axis in mm.

    Returns:
        RAS+ matrix (4, 4) in mm.
    """
    matrix = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(rng.uniform(-degrees, degrees, 3))):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j] = -np.sin(angle)
        turn[j, i] = np.sin(angle)
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
        scanner: scanner that acquires the volume.
        image: noise-free signal (x, y, z).
        head_affine: matrix (4, 4) from voxels of ``image`` to the scanner's RAS+ space in mm.
        grid: affine and shape of ``acquisition_grid``.
        rng: random numbers of the patient.

    Returns:
        Stored values of 12 bits (column, row, slice).
    """
    affine, shape = grid
    pull = np.linalg.inv(head_affine) @ affine
    step = np.abs(pull[:3, :3]).max(axis=1)
    smooth = gaussian_filter(image, 0.42 * np.sqrt(np.maximum(step**2 - 1, 0)))
    resampled = affine_transform(smooth, pull[:3, :3], pull[:3, 3], output_shape=shape, order=1)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij", sparse=True)
    a, b, c, q = rng.uniform(-1, 1, 4)
    field = a * axes[0] + b * axes[1] + c * axes[2] + q * (axes[0] ** 2 + axes[1] ** 2)
    field = 1 + scanner.bias * field / np.ptp(field)
    noise = rng.normal(scale=scanner.noise, size=(2, *shape))
    measured = np.hypot(resampled * field + noise[0], noise[1])
    return np.asarray(np.clip(np.rint(measured * scanner.gain), 0, 4095), np.uint16)

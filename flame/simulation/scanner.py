"""Scanners: how one hospital sees a head. Contrast, bias field, noise, orientation, tags."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from flame.core.imaging import Sequence
from flame.simulation.anatomy import Head
from flame.simulation.tumour import visible
from flame.simulation.world import WORLDS, World

Volume = NDArray[np.float32]

# Relative signal of csf, grey, white, bone, marrow, muscle, fat, then oedema, enhancing, necrosis.
_SIGNAL = {
    Sequence.T1: (0.20, 0.55, 0.80, 0.08, 0.50, 0.45, 1.00, 0.45, 0.50, 0.30),
    Sequence.T1C: (0.20, 0.57, 0.80, 0.08, 0.50, 0.50, 1.00, 0.45, 1.15, 0.28),
    Sequence.T2: (1.00, 0.60, 0.45, 0.08, 0.40, 0.30, 0.70, 0.85, 0.72, 0.95),
    Sequence.FLAIR: (0.15, 0.65, 0.50, 0.08, 0.40, 0.35, 0.65, 1.00, 0.85, 0.50),
}

TISSUES_OF_TUMOUR = ("oedema", "enhancing", "necrosis")

_TIMING = {
    Sequence.T1: {"RepetitionTime": 8.2, "EchoTime": 3.2, "InversionTime": 900.0},
    Sequence.T1C: {"RepetitionTime": 8.2, "EchoTime": 3.2, "InversionTime": 900.0},
    Sequence.T2: {"RepetitionTime": 4200.0, "EchoTime": 98.0},
    Sequence.FLAIR: {"RepetitionTime": 9000.0, "EchoTime": 120.0, "InversionTime": 2500.0},
}


@dataclass(frozen=True)
class Scanner:
    """One hospital's scanner.

    ``orientation`` holds the row and column direction cosines (LPS) of its slices;
    ``thickness`` multiplies the nominal spacing along the slice normal; ``contrast`` is an
    exponent on the relative signal; ``bias`` the peak-to-peak of the bias field; ``noise`` the
    Rician sigma as a share of the brightest signal.
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


def timing(sequence: Sequence) -> dict[str, float]:
    """TR, TE and TI of a sequence in ms, under their DICOM keywords."""
    return _TIMING[sequence]


def relative_signal(sequence: Sequence, contrast: float) -> NDArray[np.float64]:
    """Signal of csf, grey, white, bone, marrow, muscle, fat, and of TISSUES_OF_TUMOUR."""
    return np.asarray(_SIGNAL[sequence]) ** contrast


def signal(
    head: Head,
    live: Volume,
    dead: Volume,
    sequence: Sequence,
    contrast: float,
    world: World = WORLDS["a"],
) -> Volume:
    """Noise-free signal on the anatomical grid, tumour replacing the tissue it lies in."""
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
    """RAS+ affine (column, row, slice axes) and shape of the scanner's field of view.

    It spans the head and 15 mm around it.
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
    """Random rigid 4x4 movement of a head: rotations up to ``degrees``, shifts up to ``mm``."""
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
    """Scan ``image``: resample onto the scanner grid, multiply the bias field, add Rician noise.

    ``head_affine`` places the image in scanner RAS+ space. Returns stored values, 12 bit.
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

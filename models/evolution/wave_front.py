"""The edge of a growing glioma: the fall of its density, and the extent of the FLAIR change.

A tumour that diffuses and proliferates advances as a wave, whose edge widens with D / rho. The
distance between the contour on T1C and the edge of the FLAIR change therefore gives evidence about
D / rho. The growth between two images gives evidence about D rho.

Reference:
    Swanson et al. 2008, doi:10.1093/jnen/66.1.1.
"""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Sequence
from flame.models.evolution.cases import SEQUENCES
from flame.models.evolution.model import EvolutionCase, around, ball_radius, signed_distance
from flame.physics.growth import Growth

Array = NDArray[np.float64]
Volume = NDArray[np.float32]

FLAIR_DENSITY = 0.2
"""Density at the edge of the FLAIR change."""
_SHELL_MM = 8.0
"""Largest distance in mm to the contour of the shell in which tissue is averaged."""
_FAR_MM = 30.0
"""Largest distance in mm outside the contour at which FLAIR is compared."""
_VOXELS = 30.0
"""Number of neighbouring voxels that count as one independent voxel, as noise and anatomy are
correlated.
"""


def front(distance: Volume, width: float, radius: float) -> Volume:
    """Compute the density of a travelling wave near the contour, where it is one half.

    c = (1 + (sqrt(2) - 1) exp(x / (sqrt(6) w)))^-2 at a distance x outside. This is the exact wave
    of Fisher's equation at the speed 5/sqrt(6) sqrt(D rho). It is close to the slowest speed, which
    gliomas approach. Outside, c is multiplied by exp(-x^2 / (2 w R)). The reason is that a tumour
    that grew to the radius R at the speed 2 sqrt(D rho) is too young for the far tail of the wave,
    which diffusion reaches only as exp(-x^2 / (4 D t)).

    Args:
        distance: signed distance in mm to the contour, positive inside, of any shape.
        width: width w = sqrt(D / rho) in mm.
        radius: radius R of the tumour in mm.

    Returns:
        Density from 0 to 1, of the shape of ``distance``.

    Reference:
        Ablowitz 1979, doi:10.1007/BF02462380.

    Example:
        >>> front(np.zeros(1, np.float32), width=2.0, radius=10.0)
        array([0.5], dtype=float32)
    """
    ahead = np.exp(np.clip(-distance / (np.sqrt(6) * width), -40, 40))
    outside = np.minimum(distance, 0)
    young = np.exp(np.clip(-(outside**2) / (2 * width * radius), -80, 0))
    return np.asarray(young * (1 + (np.sqrt(2) - 1) * ahead) ** -2, np.float32)


def reach(density: float, width: float, radius: float) -> float:
    """Find the distance outside the contour at which the wave has a given density.

    Args:
        density: density, at most one half.
        width: width sqrt(D / rho) of the wave in mm.
        radius: radius of the tumour in mm.

    Returns:
        Distance in mm, at most 60.

    Example:
        >>> round(reach(0.5, width=2.0, radius=10.0), 6)
        0.0
    """
    distances = np.linspace(0, 60, 1201)
    profile = front(-distances.astype(np.float32), width, radius)
    return float(np.interp(-density, -profile, distances))


def local_diffusion(case: EvolutionCase, distance: Volume) -> float:
    """Compute the mean diffusion around the contour, relative to that of white matter.

    Args:
        case: patient.
        distance: signed distance (x, y, z) in mm to the contour.

    Returns:
        Ratio from ``Growth.grey_ratio`` to 1.
    """
    near = np.abs(distance) < _SHELL_MM
    ratio = Growth.grey_ratio
    return float(np.clip((case.white + ratio * case.grey)[near].mean(), ratio, 1))


def flair_likeness(case: EvolutionCase, widths: Array) -> Array:
    """Compute the log likelihood of the FLAIR image around the tumour for each width of the wave.

    A linear model explains the image by tissue and by a step at the edge that the width implies.
    Its coefficients are fitted to each image, so the likelihood does not depend on the scanner.

    Args:
        case: patient.
        widths: widths (w,) sqrt(D / rho) in mm.

    Returns:
        Log likelihoods (w,); zeros without a FLAIR image.
    """
    distance = signed_distance(case.tumour, case.spacing)
    near = (distance < 0) & (distance > -_FAR_MM) & (case.white + case.grey > 0.5)
    image = case.images[..., SEQUENCES.index(Sequence.FLAIR)][near].astype(np.float64)
    if len(image) < _VOXELS or not image.std() > 0:
        return np.zeros(len(widths))
    tissue = np.stack([np.ones(len(image)), case.white[near], case.grey[near]], axis=1)
    mean_squared_residuals = []
    radius = ball_radius(case.ml(case.tumour))
    for width in widths:
        inside = distance[near] + reach(FLAIR_DENSITY, width, radius)
        step = around(inside, case.spacing / 4)
        columns = np.column_stack([tissue, step])
        fit = np.linalg.lstsq(columns, image, rcond=None)[0]
        mean_squared_residuals.append(np.mean((image - columns @ fit) ** 2))
    return np.asarray(-0.5 * len(image) / _VOXELS * np.log(mean_squared_residuals))

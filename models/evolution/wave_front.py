"""The edge of a growing glioma: how density falls off, and how far FLAIR shows it.

A tumour that diffuses and proliferates advances as a wave whose edge is the wider the larger
D / rho. The distance between the contour on T1C and the edge of the FLAIR change therefore tells
D / rho, and the growth between two images D rho (Swanson 2008, doi:10.1093/jnen/66.1.1).
"""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Sequence
from flame.models.evolution.cases import SEQUENCES
from flame.models.evolution.growth import Growth
from flame.models.evolution.model import EvolutionCase, around, ball_radius, signed_distance

Array = NDArray[np.float64]
Volume = NDArray[np.float32]

FLAIR_DENSITY = 0.2
"""Density at the edge of the FLAIR change."""
_SHELL_MM, _FAR_MM = 8.0, 30.0
_VOXELS = 30.0
"""Neighbouring voxels that say as much as one, as their noise and anatomy go together."""


def front(distance: Volume, width: float, radius: float) -> Volume:
    """Density at a signed ``distance`` in mm from the contour at one half, positive inside.

    Exact wave of Fisher's equation at a speed of 5/sqrt(6) sqrt(D rho), close to the slowest, that
    gliomas approach (Ablowitz 1979, doi:10.1007/BF02462380); ``width`` is sqrt(D / rho) in mm. A
    tumour that has grown to a ``radius`` in mm at 2 sqrt(D rho) is too young for the far tail of
    that wave, which diffusion has reached as exp(-x^2 / 4 D t) only.
    """
    ahead = np.exp(np.clip(-distance / (np.sqrt(6) * width), -40, 40))
    outside = np.minimum(distance, 0)
    young = np.exp(np.clip(-(outside**2) / (2 * width * radius), -80, 0))
    return np.asarray(young * (1 + (np.sqrt(2) - 1) * ahead) ** -2, np.float32)


def reach(density: float, width: float, radius: float) -> float:
    """Distance in mm outside the contour at which the wave has ``density``."""
    away = np.linspace(0, 60, 1201)
    profile = front(-away.astype(np.float32), width, radius)
    return float(np.interp(-density, -profile, away))


def local_diffusion(case: EvolutionCase, distance: Volume) -> float:
    """Diffusion around the contour relative to that of white matter."""
    near, ratio = np.abs(distance) < _SHELL_MM, Growth.grey_ratio
    return float(np.clip((case.white + ratio * case.grey)[near].mean(), ratio, 1))


def flair_likeness(case: EvolutionCase, widths: Array) -> Array:
    """Log likelihood of the FLAIR image around the tumour for each width of the wave in mm.

    The image is explained by tissue and by a step at the edge that the width gives; what contrast
    each has is fitted, so that scanners do not matter. Zeros without a FLAIR image.
    """
    distance = signed_distance(case.tumour, case.spacing)
    near = (distance < 0) & (distance > -_FAR_MM) & (case.white + case.grey > 0.5)
    image = case.images[..., SEQUENCES.index(Sequence.FLAIR)][near].astype(np.float64)
    if len(image) < _VOXELS or not image.std() > 0:
        return np.zeros(len(widths))
    tissue = np.stack([np.ones(len(image)), case.white[near], case.grey[near]], axis=1)
    left, radius = [], ball_radius(case.ml(case.tumour))
    for width in widths:
        inside = distance[near] + reach(FLAIR_DENSITY, width, radius)
        step = around(inside, case.spacing / 4)
        columns = np.column_stack([tissue, step])
        fit = np.linalg.lstsq(columns, image, rcond=None)[0]
        left.append(np.mean((image - columns @ fit) ** 2))
    return np.asarray(-0.5 * len(image) / _VOXELS * np.log(left))

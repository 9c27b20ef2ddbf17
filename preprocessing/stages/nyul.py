"""Nyul's histogram standardisation, with a standard scale fitted across centres from sums.

Landmarks are the percentiles 1, 10, 20 .. 90, 99 of the brain. Each image's landmarks are scaled to
0..100, and the standard scale is their mean. That mean follows exactly from a sum and a count of
each centre.

Reference:
    Nyul et al. 2000, doi:10.1109/42.836373; Shah et al. 2011 (landmarks).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput, StageFailed
from flame.core.files import write_text
from flame.core.imaging import Sequence
from flame.preprocessing.stages.intensity import Values, within_brain
from flame.preprocessing.stages.stage import STAGES, Stage

PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""Percentiles of the brain's intensities that serve as landmarks."""


@dataclass(frozen=True, eq=False)
class LandmarkSum:
    """Sum over the images of one sequence at one centre.

    Args:
        count: number of images.
        total: sum of their landmarks (11,), each scaled to 0..100.
    """

    count: int
    total: NDArray[np.float64]


def landmarks(values: Values, sequence: Sequence) -> NDArray[np.float64]:
    """Compute the landmarks of an image.

    Args:
        values: intensities (n,) of the brain.
        sequence: sequence, for the error message.

    Returns:
        Percentiles (11,) of the intensities, at PERCENTILES.

    Raises:
        StageFailed: the first and the last landmark are equal.
    """
    percentiles = np.percentile(values.astype(float), PERCENTILES)
    if not percentiles[-1] > percentiles[0]:
        raise StageFailed(f"{sequence}: the 1st and 99th percentiles of the brain are equal")
    return np.asarray(percentiles)


def summarise(images: list[Values], sequence: Sequence) -> LandmarkSum:
    """Sum the scaled landmarks of one centre's images.

    Args:
        images: intensities (n,) of the brain of each image.
        sequence: sequence, for the error message.

    Returns:
        Number of images and sum of their landmarks, each scaled to 0..100.

    Raises:
        StageFailed: the first and the last landmark of an image are equal.
    """
    total = np.zeros(len(PERCENTILES))
    for values in images:
        total += _scaled(landmarks(values, sequence))
    return LandmarkSum(len(images), total)


def _scaled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale landmarks linearly to 0..100."""
    return np.asarray(100 * (points - points[0]) / (points[-1] - points[0]))


def merge(summaries: list[LandmarkSum]) -> NDArray[np.float64]:
    """Compute the standard scale of all centres together.

    Args:
        summaries: sums of each centre.

    Returns:
        Standard scale (11,): the mean of all images' scaled landmarks.

    Raises:
        BadInput: no centre has an image.

    Example:
        >>> brain = np.linspace(0, 98, 99, dtype=np.float32)
        >>> merge([summarise([brain], Sequence.T1)])[[0, 5, 10]].round(6)
        array([  0.,  50., 100.])
    """
    count = sum(s.count for s in summaries)
    if not count:
        raise BadInput("no image to fit Nyul landmarks from")
    return np.asarray(sum(s.total for s in summaries) / count)


def write_scales(path: Path, scales: Mapping[Sequence, NDArray[np.float64]]) -> None:
    """Write the standard scale of each sequence as JSON.

    Args:
        path: file to write.
        scales: standard scale (11,) of each sequence.
    """
    content = {"percentiles": PERCENTILES, **{str(s): list(v) for s, v in scales.items()}}
    write_text(path, json.dumps(content, indent=2))


def read_scales(path: Path) -> dict[Sequence, NDArray[np.float64]]:
    """Read the file that ``write_scales`` wrote.

    Args:
        path: file to read.

    Returns:
        Standard scale (11,) of each sequence.

    Raises:
        BadInput: the file is missing or does not hold landmarks.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if tuple(content.pop("percentiles")) != PERCENTILES:
            raise ValueError
        scales = {Sequence(s): np.array(v, float) for s, v in content.items()}
        if any(len(v) != len(PERCENTILES) for v in scales.values()):
            raise ValueError
    except FileNotFoundError:
        raise BadInput(f"no Nyul landmarks at {path}; make them with flame harmonise") from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise BadInput(f"{path} holds no Nyul landmarks; make them with flame harmonise") from error
    return scales


@STAGES.register("nyul")
def nyul(scales: Mapping[Sequence, NDArray[np.float64]] | None = None) -> Stage:
    """Build the stage that maps each image's landmarks to the standard scale.

    The map is linear between landmarks, and its outer segments extend beyond the outer landmarks.
    The stage raises StageFailed for a sequence without a scale, or with equal outer landmarks.

    Args:
        scales: standard scale (11,) of each sequence; None: every image is only scaled to 0..100
            between its outer landmarks.

    Returns:
        Stage at the place INTENSITY, without an estimate.
    """

    def normalise(values: Values, sequence: Sequence) -> Values:
        source = landmarks(values, sequence)
        target = _scaled(source) if scales is None else scales.get(sequence)
        if target is None:
            raise StageFailed(f"{sequence}: no Nyul landmarks were fitted for it")
        source = source + np.arange(len(source)) * 1e-9 * (source[-1] - source[0])
        inner = np.interp(values, source, target)
        low = values < source[0]
        high = values > source[-1]
        first = (target[1] - target[0]) / (source[1] - source[0])
        last = (target[-1] - target[-2]) / (source[-1] - source[-2])
        inner[low] = target[0] + (values[low] - source[0]) * first
        inner[high] = target[-1] + (values[high] - source[-1]) * last
        return inner.astype(np.float32)

    listed = None if scales is None else {str(s): list(v) for s, v in sorted(scales.items())}
    return within_brain("nyul", normalise, {"scales": listed})

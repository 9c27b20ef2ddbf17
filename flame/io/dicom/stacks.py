"""Splits the instances of one series into stacks of slices, judged together.

A SeriesInstanceUID may hold several stacks (echoes, magnitude and phase, time points, repeats). It
may also hold one stack whose slices differ in an attribute that means nothing: an echo time in its
last digit, an acquisition package, a filter in every second slice. Attributes therefore split a
stack only where two of its slices lie at one position.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from flame.io.dicom.instances import Instance, number, numbers, words

SAME_ORIENTATION = 0.01
"""Instances of one stack differ by less than this in each cosine of ImageOrientationPatient."""
STEP_SPREAD = 0.01
"""Largest accepted deviation of a slice step from the median step, as a fraction of the median."""
_SAME_POSITION = 1e-3
"""Slices nearer than this, in mm, lie at one position."""
_OVERLAP = 0.75
"""Steps below this fraction of SliceThickness (0018,0050) mean that slices overlap."""
_GAP = 1.5
"""Steps above this multiple of SliceThickness mean that slices are missing between others."""
_KINDS = {
    *("P", "R", "I", "PHASE", "REAL", "IMAGINARY", "UNI", "INV1", "INV2"),
    *("W", "F", "IP", "OP", "WATER", "FAT", "IN_PHASE", "OPP_PHASE", "OUT_PHASE", "ADC", "TRACEW"),
}
"""Values of ImageType that tell images of one place apart."""
_SAME_ECHO = 0.02
"""Echo times that differ by less than this fraction are one echo."""


def split(instances: list[Instance]) -> list[list[Instance]]:
    """Split the instances of one SeriesInstanceUID, of one matrix, into stacks.

    Args:
        instances: the instances, at least one.

    Returns:
        The stacks. Each has one orientation.
    """
    return [stack for group in by_orientation(instances) for stack in _judged(group)]


def by_orientation(instances: list[Instance]) -> list[list[Instance]]:
    """Split by ImageOrientationPatient, equal within a tolerance in each cosine."""
    groups: list[tuple[tuple[float, ...], list[Instance]]] = []
    for instance in instances:
        cosines = numbers(instance.header, "ImageOrientationPatient")
        for orientation, members in groups:
            if len(orientation) == len(cosines) and all(
                abs(a - b) < SAME_ORIENTATION for a, b in zip(orientation, cosines, strict=True)
            ):
                members.append(instance)
                break
        else:
            groups.append((cosines, [instance]))
    return [members for _, members in groups]


def _judged(instances: list[Instance]) -> list[list[Instance]]:
    """Return the stacks of one orientation: apart if slices coincide, or if a repeat overlaps."""
    if not all(map(is_placed, instances)) or _is_whole(instances):
        return [instances]
    ways = [parts for key in _KEYS if len(parts := _parted(instances, key(instances))) > 1]
    for parts in ways:
        if all(map(_is_whole, parts)):
            return parts
    if _distinct(instances) or not ways:
        return [instances]
    for parts in ways:
        if all(map(_distinct, parts)):
            return parts
    return [stack for part in ways[0] for stack in _judged(part)]


def _parted(instances: list[Instance], values: list[Hashable]) -> list[list[Instance]]:
    parts = defaultdict(list)
    for instance, value in zip(instances, values, strict=True):
        parts[value].append(instance)
    return list(parts.values())


def is_regular(instances: list[Instance]) -> bool:
    """Return whether slices lie at even distances along the normal of the first one.

    Args:
        instances: at least one instance; their orientations may differ.

    Returns:
        False also if a position is missing, or two slices lie at one position.
    """
    if not all(map(is_placed, instances)):
        return False
    steps = _steps(instances)
    mean = float(steps.mean()) if len(steps) else 0.0
    return mean > _SAME_POSITION and float(np.ptp(steps)) <= 2 * STEP_SPREAD * mean


def _is_whole(instances: list[Instance]) -> bool:
    """Return whether the slices form a regular stack that neither overlaps nor has gaps."""
    if not is_regular(instances):
        return False
    thickness = number(instances[0].header, "SliceThickness")
    step = float(np.median(_steps(instances)))
    return not thickness or thickness < 0 or _OVERLAP <= step / thickness <= _GAP


def _distinct(instances: list[Instance]) -> bool:
    steps = _steps(instances)
    return not len(steps) or float(steps.min()) > _SAME_POSITION


def is_placed(instance: Instance) -> bool:
    """Return whether the header says where the slice lies."""
    lengths = {"ImageOrientationPatient": 6, "ImagePositionPatient": 3}
    return all(len(numbers(instance.header, k)) == n for k, n in lengths.items())


def _steps(instances: list[Instance]) -> NDArray[np.float64]:
    """Return the distances (n - 1,) between neighbouring slices in mm; copies count once."""
    unique = {i.key: i for i in instances}
    return np.diff(np.sort(_along(list(unique.values()))))


def _along(instances: list[Instance]) -> NDArray[np.float64]:
    """Return the positions (n,) of slices along the normal of the first one, in mm."""
    cosines = numbers(instances[0].header, "ImageOrientationPatient")
    positions = np.array([numbers(i.header, "ImagePositionPatient") for i in instances])
    return np.asarray(positions @ np.cross(cosines[:3], cosines[3:]))


def echo_numbers(instances: list[Instance]) -> list[Hashable]:
    """Number the echo times.

    Args:
        instances: the instances.

    Returns:
        One number per instance, from 0. Times within 2 % of the one before are one echo.
    """
    times = [(numbers(i.header, "EchoTime") or (0.0,))[0] for i in instances]
    echo_of: dict[float, int] = {}
    before = -1.0
    count = 0
    for time in sorted(set(times)):
        count += before >= 0 and time - before > _SAME_ECHO * time
        echo_of[time] = count
        before = time
    return [echo_of[time] for time in times]


def _values(*keywords: str) -> Callable[[list[Instance]], list[Hashable]]:
    def key(instances: list[Instance]) -> list[Hashable]:
        return [tuple(str(i.header.get(k, "")) for k in keywords) for i in instances]

    return key


def kinds(instances: list[Instance]) -> list[Hashable]:
    """Return what tells images of one place apart.

    Args:
        instances: the instances.

    Returns:
        For each, its values of ImageType (0008,0008) that name a component or a kind of image.
    """
    return [tuple(sorted(words(i.header, "ImageType") & _KINDS)) for i in instances]


def _repeats(instances: list[Instance]) -> list[Hashable]:
    """Tell a repeat that lies between the slices: its InstanceNumbers follow, or occur again."""
    if not _distinct(instances):
        return [0] * len(instances)
    rank = np.argsort(np.argsort(_along(instances)))
    halves = [
        [
            number(i.header, "InstanceNumber") or 0
            for i, r in zip(instances, rank, strict=True)
            if r % 2 == h
        ]
        for h in (0, 1)
    ]
    first, second = sorted(halves)
    apart = max(first, default=0) < min(second, default=0) or bool(set(first) & set(second))
    return [int(r % 2) if apart else 0 for r in rank]


_KEYS: tuple[Callable[[list[Instance]], list[Hashable]], ...] = (
    echo_numbers,
    _values("ComplexImageComponent"),
    kinds,
    _values("ImageType"),
    _values("TemporalPositionIdentifier"),
    _values("StackID"),
    _values("DiffusionBValue"),
    _values("InversionTime"),
    _values("AcquisitionNumber"),
    _repeats,
)
"""What slices at one position may differ in, in the order in which it is tried."""

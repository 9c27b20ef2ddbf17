"""Removes instances that were exported twice."""

import hashlib
from dataclasses import replace
from pathlib import Path

from flame.io.dicom.instances import Instance, numbers, read_dataset
from flame.io.dicom.series import Series


def without_duplicates(series: Series) -> tuple[Series, str]:
    """Remove copies of SOP instances from a series.

    A copy is removed only if its patient, position and pixels are the same. Instances that share a
    SOPInstanceUID but differ are kept, so that ``check_geometry`` refuses the series.

    Args:
        series: the series.

    Returns:
        The series without copies, and a note on how many were removed; empty if none was.
    """
    unique: dict[tuple[str, int | None], Instance] = {}
    conflicting: list[Instance] = []
    digests: dict[Path, str] = {}
    for instance in series.instances:
        key = instance.key
        if key in unique and _same(unique[key], instance, digests):
            continue
        if key in unique:
            conflicting.append(instance)
        else:
            unique[key] = instance
    copies = len(series.instances) - len(unique) - len(conflicting)
    if not copies:
        return series, ""
    note = f"{copies} instances are copies of others with the same pixels; one of each is used"
    return replace(series, instances=(*unique.values(), *conflicting)), note


def _same(a: Instance, b: Instance, digests: dict[Path, str]) -> bool:
    if a.header.get("PatientID") != b.header.get("PatientID"):
        return False
    positions = [numbers(i.header, "ImagePositionPatient") for i in (a, b)]
    for path in (a.path, b.path):
        digests[path] = digests.get(path) or _digest(path)
    return positions[0] == positions[1] and digests[a.path] == digests[b.path]


def _digest(path: Path) -> str:
    """Return the SHA-256 of the encoded pixels, or the path if they cannot be read."""
    try:
        pixels = read_dataset(path).PixelData
    except Exception:  # a damaged file counts as no copy
        return str(path)
    return hashlib.sha256(pixels).hexdigest()

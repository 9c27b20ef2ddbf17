"""Removes slices that were exported twice."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pydicom

from flame.io.dicom.headers import Instance, Series, numbers


def without_duplicates(series: Series) -> tuple[Series, str]:
    """Remove copies of SOP instances from a series.

    A copy is removed only where its position and pixels are the same. Instances that share an
    identifier but differ are kept, and ``check_geometry`` refuses the series.

    Args:
        series: the series.

    Returns:
        The series without copies, and a note on how many were removed; empty where none was.
    """
    kept: dict[tuple[str, int | None], Instance] = {}
    left: list[Instance] = []
    digests: dict[Path, str] = {}
    for instance in series.instances:
        key = (str(instance.header.get("SOPInstanceUID", id(instance))), instance.frame)
        if key in kept and _same(kept[key], instance, digests):
            continue
        if key in kept:
            left.append(instance)
        else:
            kept[key] = instance
    dropped = len(series.instances) - len(kept) - len(left)
    if not dropped:
        return series, ""
    note = f"{dropped} slices were there twice, with the same pixels; one copy of each is used"
    return replace(series, instances=(*kept.values(), *left)), note


def _same(a: Instance, b: Instance, digests: dict[Path, str]) -> bool:
    places = [numbers(i.header, "ImagePositionPatient") for i in (a, b)]
    for path in (a.path, b.path):
        digests[path] = digests.get(path) or _digest(path)
    return places[0] == places[1] and digests[a.path] == digests[b.path]


def _digest(path: Path) -> str:
    """Return the SHA-256 of the encoded pixels, or the path where they cannot be read."""
    try:
        pixels = pydicom.dcmread(path, force=True).PixelData
    except Exception:  # damaged: then it is no copy
        return str(path)
    return hashlib.sha256(pixels).hexdigest()

"""The scanner of a series, by the names of BIDS."""

from collections.abc import Mapping
from typing import Any

from pydicom import Dataset

_TEXTS = ("Manufacturer", "ManufacturersModelName", "SoftwareVersions")
"""Keys of BIDS 1.10.0 that are texts."""
_OF_DICOM = {"ManufacturersModelName": "ManufacturerModelName"}
"""Keywords of DICOM that have another name in BIDS."""
_STRENGTH = "MagneticFieldStrength"
_LARGEST_T = 30.0
"""Largest field strength in T; larger numbers are gauss."""
_LONGEST = 64
"""Largest number of characters of a text (DICOM LO)."""


def scanner_of(header: Dataset) -> dict[str, str | float]:
    """Read what tells scanners apart: it names no patient and no hospital.

    Args:
        header: header of the series.

    Returns:
        Manufacturer (0008,0070), model (0008,1090), software versions (0018,1020) and field
        strength (0018,0087) in T, by the names of BIDS, as far as they are known.

    Example:
        >>> header = Dataset()
        >>> header.Manufacturer, header.MagneticFieldStrength = "SIEMENS", "15000"
        >>> scanner_of(header)
        {'Manufacturer': 'SIEMENS', 'MagneticFieldStrength': 1.5}
    """
    found: dict[str, str | float] = {}
    for name in _TEXTS:
        value = header.get(_OF_DICOM.get(name, name)) or ""
        several = [value] if isinstance(value, str) else value
        text = " ".join(" ".join(map(str, several)).split())
        if text and text.isprintable():
            found[name] = text[:_LONGEST]
    try:
        strength = float(header.get(_STRENGTH) or 0)
    except (TypeError, ValueError):
        return found
    if 0 < strength < float("inf"):
        found[_STRENGTH] = strength / 10_000 if strength > _LARGEST_T else strength
    return found


def scanner_in_words(sidecar: Mapping[str, Any]) -> str:
    """Name the scanner of a preprocessed session.

    Args:
        sidecar: sidecar of the session, with what ``scanner_of`` returned.

    Returns:
        Manufacturer, model, field strength and software; empty where none is known.

    Example:
        >>> scanner_in_words({"Manufacturer": "GE", "MagneticFieldStrength": 1.5})
        'GE 1.5 T'
    """
    strength = sidecar.get(_STRENGTH)
    parts = [
        sidecar.get("Manufacturer"),
        sidecar.get("ManufacturersModelName"),
        f"{strength:g} T" if strength else "",
        sidecar.get("SoftwareVersions"),
    ]
    return " ".join(str(part) for part in parts if part)

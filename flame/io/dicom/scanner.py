"""The scanner of a series, without any text that a hospital can type."""

import re
from collections.abc import Mapping
from typing import Any

from pydicom import Dataset

from flame.io.pseudonym import pseudonym

_MAKERS = ("Canon", "Fonar", "GE", "Hitachi", "Philips", "Siemens", "Toshiba", "United Imaging")
"""Makers that are named; the name of another one is a text like any other."""
_TEXTS = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
"""Keywords of DICOM that tell scanners apart, besides the field strength."""
_MAKER, _STRENGTH, _SCANNER = "Manufacturer", "MagneticFieldStrength", "Scanner"
_LARGEST_T = 30.0
"""Largest field strength in T; larger numbers are gauss."""


def scanner_of(header: Dataset, key: bytes) -> dict[str, str | float]:
    """Read what tells scanners apart: it names no patient and no hospital.

    Args:
        header: header of the series.
        key: the secret key of the centre.

    Returns:
        ``Manufacturer`` (0008,0070) where it is a known one, ``MagneticFieldStrength`` (0018,0087)
        in T, and ``Scanner``: a keyed hash of manufacturer, model (0008,1090) and software versions
        (0018,1020); each as far as it is known.

    Example:
        >>> header = Dataset()
        >>> header.Manufacturer, header.MagneticFieldStrength = "SIEMENS", "15000"
        >>> sorted(scanner_of(header, b"0123456789abcdef").items())[:2]
        [('MagneticFieldStrength', 1.5), ('Manufacturer', 'Siemens')]
    """
    found: dict[str, str | float] = {}
    texts = [_text(header.get(name)) for name in _TEXTS]
    maker = next((m for m in _MAKERS if re.search(rf"(?i)\b{m}(\b|_)", texts[0])), "")
    if maker:
        found[_MAKER] = maker
    if any(texts):
        found[_SCANNER] = pseudonym(key, "\0".join(["scanner", *texts]))
    try:
        strength = float(header.get(_STRENGTH) or 0)
    except (TypeError, ValueError):
        return found
    if 0 < strength < float("inf"):
        found[_STRENGTH] = strength / 10_000 if strength > _LARGEST_T else strength
    return found


def _text(value: Any) -> str:
    """Return a value, or several, as one text; empty without one."""
    several = [value] if isinstance(value, str) or value is None else value
    return " ".join(" ".join(str(part) for part in several if part is not None).split())


def scanner_in_words(sidecar: Mapping[str, Any]) -> str:
    """Name the scanner of a preprocessed session.

    Args:
        sidecar: sidecar of the session, with what ``scanner_of`` returned.

    Returns:
        Manufacturer, field strength and hash; empty where none is known.

    Example:
        >>> scanner_in_words({"Manufacturer": "GE", "MagneticFieldStrength": 1.5})
        'GE 1.5 T'
    """
    strength = sidecar.get(_STRENGTH)
    parts = [sidecar.get(_MAKER), f"{strength:g} T" if strength else "", sidecar.get(_SCANNER)]
    return " ".join(str(part) for part in parts if part)

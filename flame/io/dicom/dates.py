"""DICOM dates."""

from datetime import date

from pydicom.dataset import Dataset


def first_date(header: Dataset, *keywords: str) -> date | None:
    """The first of ``keywords`` that holds a valid DA value (YYYYMMDD), else None."""
    for keyword in keywords:
        text = str(header.get(keyword) or "")
        try:
            if len(text) == 8:
                return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        except ValueError:
            continue
    return None

"""Reads dates from DICOM headers."""

from datetime import date

from pydicom.dataset import Dataset


def first_date(header: Dataset, *keywords: str) -> date | None:
    """Read the first valid date among several attributes.

    Args:
        header: DICOM header.
        *keywords: keywords of attributes of type DA (YYYYMMDD), in order of preference.

    Returns:
        The date; None if no attribute has a valid one.

    Example:
        >>> header = Dataset()
        >>> header.StudyDate = "20240131"
        >>> first_date(header, "AcquisitionDate", "StudyDate")
        datetime.date(2024, 1, 31)
    """
    for keyword in keywords:
        text = str(header.get(keyword) or "")
        try:
            if len(text) == 8:
                return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        except ValueError:
            continue
    return None

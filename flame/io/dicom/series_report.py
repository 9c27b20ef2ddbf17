"""Defines the result of the inspection of one series."""

from dataclasses import dataclass
from datetime import date

from flame.io.dicom.dates import first_date
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.sequences import Verdict
from flame.io.dicom.series import Series

_MIDNIGHT = 240000.0
"""Midnight at the end of a day, as HHMMSS number."""


@dataclass(frozen=True, eq=False)
class SeriesReport:
    """One series with its sequence, its geometry and the reason to refuse it, if any.

    Args:
        patient_id: PatientID (0010,0020), or the study if it is empty.
        day: date of the acquisition; None if the header has none.
        series: the series.
        verdict: the recognised sequence.
        geometry: the geometry; None if it is not valid.
        refused: why the series is not used, with the remedy; empty if the series is used.
        note: corrections and doubts, such as copies of instances that were removed.
        examination: number among the examinations of the day, from 0.
    """

    patient_id: str
    day: date | None
    series: Series
    verdict: Verdict
    geometry: Geometry | None
    refused: str
    note: str = ""
    examination: int = 0

    @property
    def taken(self) -> bool:
        """Whether the series is accepted."""
        return not self.refused

    @property
    def time(self) -> float:
        """AcquisitionTime (0008,0032) of the first instance, or else SeriesTime, as HHMMSS number.

        After midnight it goes on from 240000. Infinity if the times are missing.
        """
        header = self.series.header
        own = first_date(header, "AcquisitionDate", "AcquisitionDateTime", "SeriesDate")
        later = _MIDNIGHT if own and self.day and (own - self.day).days == 1 else 0.0
        moment = str(header.get("AcquisitionDateTime") or "")[8:14]
        for text in (header.get("AcquisitionTime"), moment, header.get("SeriesTime")):
            try:
                return float(str(text or "")) + later
            except ValueError:
                continue
        return float("inf")


def joined(*notes: str) -> str:
    """Join notes into one line.

    Args:
        *notes: the notes; empty ones are left out.

    Returns:
        The notes, separated by semicolons.

    Example:
        >>> joined("one copy removed", "", "end slices missing")
        'one copy removed; end slices missing'
    """
    return "; ".join(filter(None, notes))

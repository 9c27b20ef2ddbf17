"""The verdict on one series of a folder."""

from dataclasses import dataclass
from datetime import date

from flame.io.dicom.geometry import Geometry
from flame.io.dicom.headers import Series
from flame.io.dicom.sequences import Verdict


@dataclass(frozen=True, eq=False)
class SeriesReport:
    """One series: its verdict, its geometry where that holds, and why it is refused if it is.

    ``note`` is what was put right, such as slices that were there twice; ``examination`` tells
    two of one day apart.
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
        """Whether the series is used."""
        return not self.refused

    @property
    def time(self) -> float:
        """AcquisitionTime (0008,0032) of the first slice, else SeriesTime, as a number HHMMSS."""
        for keyword in ("AcquisitionTime", "SeriesTime"):
            text = str(self.series.header.get(keyword) or "")
            try:
                return float(text)
            except ValueError:
                continue
        return float("inf")


def joined(*notes: str) -> str:
    """Notes in one line."""
    return "; ".join(filter(None, notes))

"""Reads dates from DICOM headers, and decides the day of each examination.

One study is one examination. Its series may be acquired before and after midnight, and a
de-identified export may hold dates that mean nothing, such as 19000101. The day is therefore what
is plausible and consistent within the study.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.io.dicom.series import Series
from flame.io.tables import iso_date, line_of, read_table

_ACQUIRED = (
    "AcquisitionDate",
    "AcquisitionDateTime",
    "SeriesDate",
    "ContentDate",
)
"""Attributes of the day of a series, in order of preference."""
_FIRST = date(1977, 7, 3)
"""Day of the first MR image of a human body; earlier dates are stand-ins or were shifted."""
_STAND_INS = {(1, 1), (12, 31)}
"""Month and day of dates before ``_FIRST`` that stand for an unknown one, such as 1900-01-01."""
_ONE_DAY = timedelta(days=1)


def first_date(header: Dataset, *keywords: str) -> date | None:
    """Read the first valid date among several attributes.

    Args:
        header: DICOM header.
        *keywords: keywords of attributes of type DA or DT (YYYYMMDD...), in order of preference.

    Returns:
        The date; None if no attribute has a valid one. Stand-ins such as 19000101 are not valid.

    Example:
        >>> header = Dataset()
        >>> header.StudyDate = "20240131"
        >>> first_date(header, "AcquisitionDate", "StudyDate")
        datetime.date(2024, 1, 31)
    """
    return next(iter(_dates(header, keywords)), None)


def _dates(header: Dataset, keywords: tuple[str, ...]) -> list[date]:
    found = []
    for keyword in keywords:
        text = str(header.get(keyword) or "").strip().replace(".", "")[:8]
        if len(text) == 8 and text.isdigit():
            try:
                day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
            except ValueError:
                continue
            if day >= _FIRST or (day.month, day.day) not in _STAND_INS:
                found.append(day)
    return found


def _own_day(header: Dataset) -> date | None:
    """Return the day of a series alone: the date that most of its attributes hold."""
    dates = [*_dates(header, _ACQUIRED), *_dates(header, ("StudyDate",))]
    today = date.today() + _ONE_DAY
    plausible = [day for day in dates if _FIRST <= day <= today] or dates
    counts = Counter(plausible)  # of equal counts, the first one read wins
    return max(counts, key=lambda day: counts[day]) if counts else None


def days_of(series: list[Series], known: Mapping[str, date]) -> dict[int, date | None]:
    """Decide the day of every series.

    Args:
        series: all series of a folder.
        known: day by StudyInstanceUID that a person named, see ``read_dates``.

    Returns:
        Day by ``id`` of the series. Series of one study whose days differ by one day have the same
        day: that of StudyDate, or else the earlier one. A series without a date has that of its
        study, if the study has one day only.
    """
    studies: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in series:
        header = one.header
        studies[str(header.get("PatientID", "")), study_uid(header)].append(one)
    days: dict[int, date | None] = {}
    for (_, uid), members in studies.items():
        own = {id(s): _own_day(s.header) for s in members}
        named = known.get(uid)
        merged = _over_midnight(members, own) if uid else own
        days |= {key: named or day for key, day in merged.items()}
    return days


def _over_midnight(members: list[Series], own: dict[int, date | None]) -> dict[int, date | None]:
    present = sorted({day for day in own.values() if day})
    if not present or present[-1] - present[0] > _ONE_DAY:
        return own
    stated = first_date(members[0].header, "StudyDate")
    return dict.fromkeys(own, stated if stated in present else present[0])


def study_uid(header: Dataset) -> str:
    """Return StudyInstanceUID (0020,000D); an empty text if it is absent."""
    return str(header.get("StudyInstanceUID") or "")


def read_dates(path: Path | None) -> dict[str, date]:
    """Read a table with the columns ``study`` and ``date``.

    ``study`` is a StudyInstanceUID as printed by ``flame inspect --json``, ``date`` is written as
    YYYY-MM-DD. Only the intervals between dates matter.

    Args:
        path: the table; None: no dates.

    Returns:
        Date by StudyInstanceUID.

    Raises:
        BadInput: a column is missing, a study occurs twice, or a date is not valid.
    """
    if path is None:
        return {}
    dates: dict[str, date] = {}
    for index, row in read_table(path, ("study", "date")).fillna("").iterrows():
        uid = str(row["study"]).strip()
        if uid in dates:
            raise BadInput(
                f"{line_of(path, index)}: this study occurs twice; keep one of its lines"
            )
        dates[uid] = iso_date(row["date"], line_of(path, index))
    return dates

"""Reviews of days by people: decisions.tsv in the output folder, which all later steps apply."""

from pathlib import Path
from typing import NamedTuple

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tables import line_of, read_table

FILE = "decisions.tsv"
ACCEPT = "accept"
"""Decision to keep a day whose quality checks failed."""
EXCLUDE = "exclude"
"""Decision to leave a day, or a whole patient, out of training and evaluation."""

Key = tuple[str, str]
"""Subject and session without their BIDS prefixes; an empty session stands for all days."""


class Decision(NamedTuple):
    """Review of a day.

    Args:
        word: accept or exclude.
        day: day from the start of radiotherapy at the time of the review; None if the table does
            not give it.
        where: file and line of the table, for error messages.
    """

    word: str
    day: int | None
    where: str


def read_decisions(root: Path) -> dict[Key, Decision]:
    """Read decisions.tsv: participant_id, session_id, decision and, optionally, day.

    ``accept`` keeps a day whose quality checks failed. ``exclude`` leaves a day out of training and
    evaluation, or the whole patient if the session is ``n/a``.

    Args:
        root: output folder of preprocessing.

    Returns:
        Decisions by subject and session; empty if the table does not exist.

    Raises:
        BadInput: a decision is unknown, a day is not a whole number, an accepted day has no
            session, or a day occurs twice.
    """
    path = root / FILE
    if not path.exists():
        return {}
    decisions: dict[Key, Decision] = {}
    table = read_table(path, ("participant_id", "session_id", "decision"))
    for index, row in table.fillna("").iterrows():
        where = line_of(path, index)
        word = str(row["decision"]).strip().lower()
        if word not in (ACCEPT, EXCLUDE):
            hint = nearest(word, [ACCEPT, EXCLUDE])
            raise BadInput(f"{where}: unknown decision '{word}': {hint}")
        subject = str(row["participant_id"]).strip().removeprefix("sub-")
        session = str(row["session_id"]).strip().removeprefix("ses-")
        session = session.zfill(2) if session else ""  # spreadsheets turn 01 into 1
        if word == ACCEPT and not session:
            raise BadInput(f"{where}: name the session to accept; days are accepted one by one")
        if (subject, session) in decisions:
            raise BadInput(f"{where}: this day occurs twice; keep only one of its lines")
        decisions[subject, session] = Decision(word, _day(row.get("day", ""), where), where)
    return decisions


def _day(text: object, where: str) -> int | None:
    try:
        return int(float(str(text))) if str(text).strip() else None
    except ValueError:
        raise BadInput(f"{where}, column day: '{text}' is not a whole number") from None


def decision(decisions: dict[Key, Decision], subject: str, session: str, day: int | None) -> str:
    """Look up the decision on a day.

    Args:
        decisions: decisions of the cohort.
        subject: subject without its BIDS prefix.
        session: session without its BIDS prefix, or empty for the whole patient.
        day: day from the start of radiotherapy; None: the day is not compared.

    Returns:
        Decision on the day, else the decision on its patient, else an empty string.

    Raises:
        BadInput: the table gives another day for the session. This happens when an earlier
            examination is added after the review.

    Example:
        >>> table = {("p1", "01"): Decision("accept", 0, "line 2")}
        >>> decision(table, "p1", "01", 0), decision(table, "p1", "02", 90)
        ('accept', '')
    """
    on_day = decisions.get((subject, session)) if session else None
    if on_day is not None:
        if on_day.day is not None and day is not None and on_day.day != day:
            raise BadInput(
                f"{on_day.where}: ses-{session} is now day {day}, not day {on_day.day}; "
                "review the day again and correct this line"
            )
        return on_day.word
    on_patient = decisions.get((subject, ""))
    return on_patient.word if on_patient else ""


def without_day(decisions: dict[Key, Decision]) -> list[str]:
    """List the decisions on a session that do not name its day.

    Args:
        decisions: decisions of the cohort.

    Returns:
        One warning for each, as sessions are numbered anew when an earlier examination is added.
    """
    return [
        f"{d.where}: name the day, as quality.html does: if an earlier examination is added, the "
        "session gets another number, and this decision would mean another day"
        for (_, session), d in decisions.items()
        if session and d.day is None
    ]


def unmatched(decisions: dict[Key, Decision], days: list[Key]) -> list[str]:
    """List the decisions that match no day.

    Args:
        decisions: decisions of the cohort.
        days: subject and session of each day of the cohort.

    Returns:
        One warning for each such decision, with its file and line.
    """
    known = {*days, *((subject, "") for subject, _ in days)}
    return [
        f"{d.where}: the cohort has no such day" for key, d in decisions.items() if key not in known
    ]

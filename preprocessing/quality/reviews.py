"""Reviews of days by people: decisions.tsv in the output folder, which all later steps apply."""

from pathlib import Path
from typing import NamedTuple

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tables import read_table

FILE = "decisions.tsv"
ACCEPT, EXCLUDE = "accept", "exclude"

Key = tuple[str, str]
"""Subject and session without their BIDS prefixes; an empty session stands for all days."""


class Decision(NamedTuple):
    """Review of a day.

    Args:
        word: accept or exclude.
        day: day from the start of radiotherapy when it was reviewed; None if the table has none.
        where: file and line of the table, for messages.
    """

    word: str
    day: int | None
    where: str


def read_decisions(root: Path) -> dict[Key, Decision]:
    """Read decisions.tsv: participant_id, session_id, decision and, where given, day.

    ``accept`` keeps a day whose quality checks failed. ``exclude`` leaves a day out of training and
    evaluation, or the whole patient if the session is ``n/a``.

    Args:
        root: output folder of preprocessing.

    Returns:
        Decisions by subject and session; empty without a table.

    Raises:
        BadInput: a decision is unknown, a day is no whole number, an accepted day has no session,
            or a day occurs twice.
    """
    path = root / FILE
    if not path.exists():
        return {}
    found: dict[Key, Decision] = {}
    table = read_table(path, ("participant_id", "session_id", "decision"))
    for index, row in table.fillna("").iterrows():
        where = f"{path}, line {int(str(index)) + 2}"
        word = str(row["decision"]).strip().lower()
        if word not in (ACCEPT, EXCLUDE):
            hint = nearest(word, [ACCEPT, EXCLUDE])
            raise BadInput(f"{where}: unknown decision '{word}': {hint}")
        subject = str(row["participant_id"]).strip().removeprefix("sub-")
        session = str(row["session_id"]).strip().removeprefix("ses-")
        session = session.zfill(2) if session else ""  # spreadsheets turn 01 into 1
        if word == ACCEPT and not session:
            raise BadInput(f"{where}: name the session to accept; days are accepted one by one")
        if (subject, session) in found:
            raise BadInput(f"{where}: this day occurs twice; keep one line of it")
        found[subject, session] = Decision(word, _day(row.get("day", ""), where), where)
    return found


def _day(text: object, where: str) -> int | None:
    try:
        return int(float(str(text))) if str(text).strip() else None
    except ValueError:
        raise BadInput(f"{where}, column day: '{text}' is not a whole number") from None


def decision(decisions: dict[Key, Decision], subject: str, session: str, day: int | None) -> str:
    """Return the decision on a day, else that on its patient, else an empty string.

    Args:
        decisions: decisions of the cohort.
        subject: subject without its BIDS prefix.
        session: session without its BIDS prefix, or empty for the whole patient.
        day: day from the start of radiotherapy; None: not compared.

    Raises:
        BadInput: the table gives another day for the session, as an earlier examination may have
            been added since.

    Example:
        >>> table = {("p1", "01"): Decision("accept", 0, "line 2")}
        >>> decision(table, "p1", "01", 0), decision(table, "p1", "02", 90)
        ('accept', '')
    """
    own = decisions.get((subject, session)) if session else None
    if own is not None:
        if own.day is not None and day is not None and own.day != day:
            raise BadInput(
                f"{own.where}: ses-{session} is day {day} now, not day {own.day}; look again"
            )
        return own.word
    whole = decisions.get((subject, ""))
    return whole.word if whole else ""


def unmatched(decisions: dict[Key, Decision], there: list[Key]) -> list[str]:
    """Return a warning for each decision that matches no day.

    Args:
        decisions: decisions of the cohort.
        there: subject and session of each day of the cohort.
    """
    known = {*there, *((subject, "") for subject, _ in there)}
    return [f"{d.where}: no such day here" for key, d in decisions.items() if key not in known]

"""A person's word on a day: decisions.tsv in the output folder, which every later step obeys."""

from pathlib import Path
from typing import NamedTuple

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tables import read_table

FILE = "decisions.tsv"
ACCEPT, EXCLUDE = "accept", "exclude"

Key = tuple[str, str]
"""Subject and session, without their BIDS prefixes; a session of "" is every day."""


class Decision(NamedTuple):
    """The word, the day it was given on where the table says so, and its line."""

    word: str
    day: int | None
    where: str


def read_decisions(root: Path) -> dict[Key, Decision]:
    """Read participant_id, session_id, decision (accept or exclude) and, where given, day.

    ``accept`` takes a day whose quality checks failed; ``exclude`` leaves a day out of training
    and evaluation, or with a session of ``n/a`` the whole patient.
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
        session = session.zfill(2) if session else ""  # a spreadsheet makes 1 of 01
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
    """What was decided on a day, else on its patient, else an empty string.

    Raises BadInput where the table names another day for the session: an earlier examination may
    have come in since, and sessions are numbered in order.
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
    """A warning for each decision that fits no day."""
    known = {*there, *((subject, "") for subject, _ in there)}
    return [f"{d.where}: no such day here" for key, d in decisions.items() if key not in known]

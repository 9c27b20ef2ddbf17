"""A person's word on a day: decisions.tsv in the output folder, which every later step obeys."""

from pathlib import Path

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tables import read_table

FILE = "decisions.tsv"
ACCEPT, EXCLUDE = "accept", "exclude"

Key = tuple[str, str]
"""Subject and session, without their BIDS prefixes."""


def read_decisions(root: Path) -> dict[Key, str]:
    """Read participant_id, session_id and decision (accept or exclude) of each line.

    ``accept`` takes a day whose quality checks failed; ``exclude`` leaves a day out of training
    and evaluation. A session of ``n/a`` means every day of the participant: its key has "".
    """
    path = root / FILE
    if not path.exists():
        return {}
    found: dict[Key, str] = {}
    table = read_table(path, ("participant_id", "session_id", "decision"))
    for index, row in table.fillna("").iterrows():
        where = f"{path}, line {int(str(index)) + 2}"
        decision = str(row["decision"]).strip().lower()
        if decision not in (ACCEPT, EXCLUDE):
            hint = nearest(decision, [ACCEPT, EXCLUDE])
            raise BadInput(f"{where}: unknown decision '{decision}': {hint}")
        subject = str(row["participant_id"]).strip().removeprefix("sub-")
        session = str(row["session_id"]).strip().removeprefix("ses-").replace("n/a", "")
        found[subject, session] = decision
    return found


def decision(decisions: dict[Key, str], subject: str, session: str) -> str:
    """What was decided on a day, else on its patient, else an empty string."""
    return decisions.get((subject, session)) or decisions.get((subject, ""), "")

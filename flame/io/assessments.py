"""Reads the tables of ``flame assess``: RANO ratings by day, and time to progression by patient."""

from pathlib import Path

from flame.core.errors import BadInput
from flame.io.tables import number, read_table

RATINGS = "response.tsv"
"""Name of the table of ratings in the folder of a centre, one row per imaging day."""
PROGRESSIONS = "progression.tsv"
"""Name of the table of progressions in the folder of a centre, one row per patient."""
DAYS = "progression_free_days"
"""Column of ``progression.tsv``: days to the event, or to the last visit without one."""
PROGRESSED = "progressed"
"""Column of ``progression.tsv``: 1 if the event occurred, else 0."""


def read_progressions(root: Path) -> dict[str, tuple[float, bool]]:
    """Read the progression-free survival of the patients of a centre.

    Args:
        root: folder of the centre with ``progression.tsv``.

    Returns:
        By subject without its BIDS prefix: days to progression or death, or to the last visit, and
        whether the event occurred.

    Raises:
        BadInput: the table does not exist, lacks a column, or holds text instead of a number.
    """
    path = root / PROGRESSIONS
    if not path.exists():
        raise BadInput(f"{root} has no {PROGRESSIONS}; run flame assess {root}")
    return {
        str(row["participant_id"]).removeprefix("sub-"): (
            number(row[DAYS], str(path), DAYS),
            number(row[PROGRESSED], str(path), PROGRESSED) == 1,
        )
        for _, row in read_table(path, ["participant_id", DAYS, PROGRESSED]).iterrows()
    }

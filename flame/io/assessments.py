"""RANO ratings of a centre on disk: a row a day, and a row a patient of what follows."""

from pathlib import Path

from flame.core.errors import BadInput
from flame.io.tables import number, read_table

RATINGS, PROGRESSIONS = "response.tsv", "progression.tsv"
DAYS, PROGRESSED = "progression_free_days", "progressed"


def read_progressions(root: Path) -> dict[str, tuple[float, bool]]:
    """Days to progression or death by subject, and whether it came; BadInput without the table."""
    path = root / PROGRESSIONS
    if not path.exists():
        raise BadInput(f"{root} has no {PROGRESSIONS}; run flame assess {root}")
    return {
        str(row["participant_id"]): (
            number(row[DAYS], str(path), DAYS),
            number(row[PROGRESSED], str(path), PROGRESSED) == 1,
        )
        for _, row in read_table(path, ["participant_id", DAYS, PROGRESSED]).iterrows()
    }

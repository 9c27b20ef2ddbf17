"""Counts of centres for tasks that learn from images."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flame.federation.task import Row
from flame.models.segmentation.case_table import Cases


def counted(patients: Sequence[Cases[Any]]) -> tuple[list[Row], list[str]]:
    """Patients learned from and left out by centre, and a warning for each reason."""
    rows, warnings = list[Row](), list[str]()
    for centre in patients:
        rows.append(
            {
                "centre": centre.centre,
                "patients": len(centre.labelled),
                "left out": len(centre.left_out),
            }
        )
        for reason, count in Counter(centre.left_out).items():
            warnings.append(f"centre {centre.centre}: {count} patients left out: {reason}")
    return rows, warnings

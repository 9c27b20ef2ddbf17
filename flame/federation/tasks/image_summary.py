"""Counts of patients for tasks that learn from images."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flame.federation.task import Row
from flame.models.segmentation.case_table import Cases


def counted(patients: Sequence[Cases[Any]]) -> tuple[list[Row], list[str]]:
    """Count the patients of each centre.

    Args:
        patients: the cases of each centre.

    Returns:
        A row per centre with the numbers of ``patients`` to learn from and of patients ``left
        out``, and a warning for each centre and reason to leave patients out.

    Example:
        >>> centre = Cases("UCSF", ("p1", "p2"), ((1,), ()), ("no drawn tumour",))
        >>> rows, warnings = counted([centre])
        >>> rows
        [{'centre': 'UCSF', 'patients': 1, 'left out': 1}]
        >>> warnings
        ['centre UCSF: 1 patients left out: no drawn tumour']
    """
    rows = list[Row]()
    warnings = list[str]()
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

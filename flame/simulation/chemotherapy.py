"""Temozolomide after radiotherapy, in cycles that kill a share of the cells.

What a tumour does later depends on it, so that no image up to the first follow-up can tell the
outcome for certain. The shares are assumptions, not data: a tumour with a methylated MGMT promoter
responds on average, another hardly.
"""

import numpy as np

CYCLES = (70, 98, 126, 154)
"""First days of the cycles, counted from the start of radiotherapy; they last 28 days (Stupp 2005,
doi:10.1056/NEJMoa043330).
"""
KILLED = {True: (0.1, 0.8), False: (0.0, 0.5)}
"""Range of the share of cells that each cycle kills, with and without a methylated MGMT
promoter.
"""


def cycles(methylated: bool, rng: np.random.Generator) -> dict[int, float]:
    """Draw the effect of temozolomide on the tumour of a patient.

    Args:
        methylated: whether the MGMT promoter is methylated.
        rng: random numbers of the patient.

    Returns:
        Share of the cells that survives, by day of the cycle.

    Example:
        >>> found = cycles(True, np.random.default_rng(0))
        >>> list(found), len(set(found.values()))
        ([70, 98, 126, 154], 1)
    """
    survives = 1 - float(rng.uniform(*KILLED[methylated]))
    return dict.fromkeys(CYCLES, survives)

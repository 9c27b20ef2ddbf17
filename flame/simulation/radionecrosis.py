"""Radionecrosis in the world of single cells: healthy tissue that leaks contrast months later.

Few patients are prone to it. In them tissue has a tolerance that varies from place to place; where
the dose exceeds it, vessels leak from a day of the patient's own on, more each day, with no tumour
cell there. Readers cannot tell it from tumour. A radiation with a larger true effect than its
recorded dose injures more tissue. Like ``flame.simulation.cells`` it imports nothing of the models.

All numbers were set before any model was run on it. Necrosis without tumour within six months of
chemoradiotherapy in 7 of 51 patients: Chamberlain 2007 (J Neurooncol 82:81). Rise with dose of the
order of 5 % of patients at 72 Gy and 10 % at 90 Gy in fractions of 2 Gy, and alpha/beta 3 Gy:
Lawrence 2010 (Int J Radiat Oncol Biol Phys 76:S20). More injury where the LET of protons is high:
Peeler 2016 (Radiother Oncol 121:395). Size of patches and strength of the leak are assumptions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from flame.core.treatment import Radiation
from flame.simulation import cells

PRONE = 7 / 51
"""Share of patients whose tissue can be injured."""
TOLERANCE, SPREAD = 95.0, 20.0
"""Mean and standard deviation of the tolerance over places, in Gy in fractions of 2 Gy."""
ALPHA_BETA = 3.0
"""Of healthy brain, in Gy."""
FIRST, LAST = 75, 225
"""Days from the start of radiotherapy between which the leak begins."""
RISE = 45
"""Days in which the leak becomes full."""


@dataclass(frozen=True, eq=False)
class Tolerance:
    """What the healthy tissue of a patient bears.

    Args:
        dose: dose (x, y, z) in Gy in fractions of 2 Gy above which tissue is injured; infinite in a
            patient who is not prone.
        begins: day from the start of radiotherapy on which leaks begin.
        leaks: full leak of injured tissue, 0 to 1.
    """

    dose: NDArray[np.float64]
    begins: int
    leaks: float

    def leak(self, injured: NDArray[np.bool_], day: int) -> NDArray[np.float64]:
        """Return the leak (x, y, z) of injured tissue on a day, 0 to 1."""
        rise = float(np.clip((day - self.begins) / RISE, 0, 1))
        return np.asarray(injured * (self.leaks * rise), float)


def tolerance(tissue: NDArray[np.float64], rng: np.random.Generator) -> Tolerance:
    """Draw what the tissue of a patient bears; the same under every radiation.

    Args:
        tissue: fraction of tissue (x, y, z), which is injured where it is above 0.3.
        rng: random numbers of the patient.

    Returns:
        The tolerance.
    """
    prone = rng.random() < PRONE
    begins, leaks = int(rng.integers(FIRST, LAST)), float(rng.uniform(0.4, 0.9))
    smooth = gaussian_filter(rng.normal(size=tissue.shape), 2)
    place = TOLERANCE + SPREAD * (smooth - smooth.mean()) / smooth.std()
    return Tolerance(np.where((tissue > 0.3) & prone, place, np.inf), begins, leaks)


def injured(
    bears: Tolerance, tumour: cells.Tumour, dose: NDArray[np.float64], radiation: Radiation
) -> NDArray[np.bool_]:
    """Find the healthy tissue that a course injures.

    Args:
        bears: tolerance of the patient.
        tumour: the tumour at the start; what it fills is no healthy tissue.
        dose: recorded RBE-weighted dose (x, y, z) of the course in Gy.
        radiation: the radiation.

    Returns:
        Whether each voxel (x, y, z) is injured.
    """
    fraction = dose / cells.FRACTIONS * cells.true_over_recorded(radiation)
    equal = cells.FRACTIONS * fraction * (fraction + ALPHA_BETA) / (2 + ALPHA_BETA)
    return np.asarray((equal > bears.dose) & (tumour.filled < cells.SEEN))

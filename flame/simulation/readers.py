"""People who draw tumours: no two draw the same border."""

import numpy as np
from numpy.typing import NDArray

from flame.simulation.tumour import visible
from flame.simulation.world import WORLDS, World

SHIFT = 0.025
"""Standard deviation of the cell density at which a reader draws the border; volumes then differ by
7 % (standard deviation) between readers.
"""


def drawn(
    live: NDArray[np.float32],
    dead: NDArray[np.float32],
    rng: np.random.Generator | None,
    world: World = WORLDS["a"],
) -> NDArray[np.bool_]:
    """Draw the gross tumour volume: enhancing tumour and necrosis.

    Args:
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        rng: random numbers of the reader; None: the border is where it is.
        world: simulated world.

    Returns:
        Mask (x, y, z).
    """
    border = world.thresholds[1]
    if rng is not None:
        border += float(rng.normal(0, SHIFT))
    return np.asarray(visible(live, dead, world) > border)


def reader_of(seed: int, centre: int, number: int) -> np.random.Generator:
    """Return the random numbers of the person who draws the tumours of a patient.

    Args:
        seed: seed of the cohort.
        centre: number of the hospital, from 0.
        number: number of the patient at the hospital, from 0.

    Returns:
        The generator; it is apart from that of the patient.
    """
    return np.random.default_rng([seed, centre, number, 1])

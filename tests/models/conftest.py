"""Cases that look like a tumour in brain, small enough for tests."""

import numpy as np
import pytest

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution import EvolutionCase

SIDE, SPACING = 24, 4.0
PHOTONS = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))


def ball(radius_mm: float) -> np.ndarray:
    index = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * SPACING
    return (index**2).sum(axis=0) < radius_mm**2


def tumour_case(name: str = "p", radius: float = 15.0, **changes: object) -> EvolutionCase:
    """A ball of white matter tumour under a uniform dose, larger on each later day."""
    values: dict[str, object] = {
        "pseudonym": name, "centre": "c", "spacing": SPACING, "day": -10,
        "tumour": ball(radius), "images": np.zeros((SIDE, SIDE, SIDE, 2), np.float32),
        "white": np.ones((SIDE,) * 3, np.float32), "grey": np.zeros((SIDE,) * 3, np.float32),
        "dose": np.full((SIDE,) * 3, 60, np.float32), "treatment": PHOTONS,
        "earlier": (-40, ball(radius - 3)),
        "later": ((50, ball(radius + 2)), (120, ball(radius + 6))),
    }  # fmt: skip
    return EvolutionCase(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def cohort() -> list[EvolutionCase]:
    return [tumour_case(f"p{n}", 12.0 + n) for n in range(6)]

"""Cases that look like a tumour in brain, small enough for tests."""

import numpy as np

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.model import EvolutionCase
from flame.models.segmentation.cases import CHANNELS, SegmentationCase

SIDE = 24
SPACING = 4.0
PHOTONS = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))


def ball(radius_mm: float) -> np.ndarray:
    index = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * SPACING
    return (index**2).sum(axis=0) < radius_mm**2


def tumour_case(name: str = "p", radius: float = 15.0, **changes: object) -> EvolutionCase:
    """A ball of white matter tumour under a uniform dose, larger on each later day."""
    values: dict[str, object] = {
        "pseudonym": name,
        "centre": "c",
        "spacing": SPACING,
        "day": -10,
        "tumour": ball(radius),
        "images": np.zeros((SIDE, SIDE, SIDE, 2), np.float32),
        "white": np.ones((SIDE,) * 3, np.float32),
        "grey": np.zeros((SIDE,) * 3, np.float32),
        "dose": np.full((SIDE,) * 3, 60, np.float32),
        "treatment": PHOTONS,
        "history": ((-40, ball(radius - 3)),),
        "later": ((50, ball(radius + 2)), (120, ball(radius + 6))),
    }
    return EvolutionCase(**{**values, **changes})  # type: ignore[arg-type]


def bright_ball(seed: int, side: int = 24) -> SegmentationCase:
    """FLAIR and T1 of noise with a ball that is bright on FLAIR; T2 and T1C are not there."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(9, side - 9, 3)
    index = np.indices((side,) * 3)
    ball = ((index - centre[:, None, None, None]) ** 2).sum(axis=0) < 36
    images = np.zeros((side,) * 3 + (4,), np.float32)
    for name, contrast in (("FLAIR", 3.0), ("T1", -0.5)):
        noise = rng.normal(0, 0.5, ball.shape)
        images[..., CHANNELS.index(name)] = noise + contrast * ball
    regions = np.full((*ball.shape, 3), -1, np.float32)
    regions[..., 0] = ball
    return SegmentationCase(images, regions)


def block(ml: float) -> np.ndarray:
    """A mask of the volume given, at least one voxel of 64 mm3."""
    mask = np.zeros(SIDE**3, bool)
    mask[: max(round(ml * 1000 / SPACING**3), 1)] = True
    return mask.reshape((SIDE,) * 3)

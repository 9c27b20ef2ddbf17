"""Worlds: how disease, radiation and readers behave in a simulation.

A model is trained in one world and tested in another, so that it cannot win by having the very
equations of the simulator.
"""

from dataclasses import dataclass

from flame.core.registry import Registry
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.clinical.radiobiology import RBE, rbe
from flame.models.evolution.counterfactual import COURSES

SAME_COURSE = {r: Treatment((Phase(r, 60.0, 30, biological=True),)) for r in Radiation}
"""Courses that differ in the name of the radiation only."""


@dataclass(frozen=True)
class World:
    """What is true in a simulation.

    ``thresholds`` are the cell densities above which a voxel is oedematous, enhances and is
    necrotic; ``grey_ratio`` is the diffusion in grey over white matter and ``anisotropy`` its
    factor by axis; ``mass_effect_mm`` is the shift of tissue at the edge of a tumour of 30 ml;
    ``reader_noise`` the spread of a reader's threshold over a contour. Recorded ion doses are
    RBE-weighted with a fixed RBE, while cells follow ``proton_rbe``, mkm for carbon and
    ``hypoxic_gain``, by which carbon does better in hypoxic tumours. In a ``null`` world the
    radiations are the same but for their names.
    """

    thresholds: tuple[float, float, float] = (0.2, 0.5, 0.85)
    grey_ratio: float = 0.1
    anisotropy: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mass_effect_mm: float = 0.0
    reader_noise: float = 0.02
    clearance_days: float = 45.0
    alpha_beta: float = 8.0
    proton_rbe: str = "mcnamara"
    let: tuple[float, float] = (4.0, 75.0)
    hypoxic_gain: float = 1.3
    null: bool = False
    scanners: tuple[int, ...] = (0, 1)

    @property
    def schedules(self) -> dict[Radiation, Treatment]:
        """The course of each radiation."""
        return SAME_COURSE if self.null else COURSES

    def efficacy(self, phase: Phase) -> float:
        """True over recorded RBE-weighted dose of ``phase``."""
        if self.null or phase.radiation is Radiation.PHOTON:
            return 1.0
        proton = phase.radiation is Radiation.PROTON
        fixed = RBE[phase.radiation]
        physical = phase.dose / phase.fractions / (fixed if phase.biological else 1.0)
        let, model = (self.let[0], self.proton_rbe) if proton else (self.let[1], "mkm")
        found = float(rbe(physical, let, self.alpha_beta, model)) / fixed
        return found * (1.0 if proton else self.hypoxic_gain)


WORLDS: Registry[World] = Registry("world")
WORLDS.register("a")(World())
WORLDS.register("b")(
    World(
        thresholds=(0.25, 0.58, 0.8),
        grey_ratio=0.05,
        anisotropy=(0.8, 1.4, 0.9),
        mass_effect_mm=3.0,
        reader_noise=0.05,
        clearance_days=70.0,
        alpha_beta=6.0,
        proton_rbe="wedenberg",
        let=(2.5, 60.0),
        hypoxic_gain=1.45,
        scanners=(2, 3),
    )
)

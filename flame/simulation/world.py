"""Worlds: how disease, radiation and readers behave in a simulation.

A model is trained in one world and tested in another. The worlds differ in thresholds, tissue,
readers, scanners and RBE, and share the growth equation, its solver and the two compartments of
``flame.physics.growth``: the mechanistic model has the equations of the simulator, and its
results here are better than they would be in a world of other physics. ``flame.simulation.cells``
is such a world.
"""

from dataclasses import dataclass

from flame.core.registry import Registry
from flame.core.treatment import Phase, Radiation, Treatment
from flame.physics.radiobiology import RBE, rbe

COURSES = {
    Radiation.PHOTON: Treatment((Phase(Radiation.PHOTON, 60.0, 30),)),
    Radiation.PROTON: Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),)),
    Radiation.CARBON: Treatment(
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        )
    ),
}
"""Course of each radiation; ion doses are RBE-weighted, as they are prescribed."""
SAME_COURSE = {r: Treatment((Phase(r, 60.0, 30, biological=True),)) for r in Radiation}
"""Courses of 60 Gy(RBE) in 30 fractions that differ only in the name of the radiation."""


@dataclass(frozen=True)
class World:
    """Parameters of a simulated world.

    The recorded doses of ions are RBE-weighted with a fixed RBE. The simulated cells follow
    ``proton_rbe`` for protons, and for carbon the microdosimetric-kinetic model and
    ``hypoxic_gain``.

    Args:
        thresholds: cell densities, 0 to 1, above which a voxel is oedematous, enhancing and
            necrotic.
        grey_ratio: diffusion in grey matter over that in white matter.
        anisotropy: factors of the diffusion along x, y and z.
        mass_effect_mm: shift of tissue in mm at the edge of a tumour of 30 ml.
        reader_noise: standard deviation of a reader's density threshold along a contour.
        clearance_days: half-life of dead cells in days.
        alpha_beta: alpha/beta of the tumour in Gy.
        proton_rbe: name of the RBE model of protons.
        let: dose-averaged LET of protons and of carbon ions in keV/um.
        hypoxic_gain: factor of the effective carbon dose in hypoxic tumours.
        null: whether the radiations differ only in their names.
        scanners: indices of the scanners in ``SCANNERS``; the centres use them in turn.
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
        """The course of radiotherapy of each radiation."""
        return SAME_COURSE if self.null else COURSES

    def efficacy(self, phase: Phase) -> float:
        """Compute the ratio of the true to the recorded RBE-weighted dose of a phase.

        The ratio is 1 for photons and in a null world. For protons it is RBE(d) / RBE_fixed at the
        physical dose d of a fraction. For carbon ions it is RBE(d) / RBE_fixed times
        ``hypoxic_gain``.

        Args:
            phase: phase of a course, with its recorded dose.

        Returns:
            Ratio of the doses.

        Example:
            >>> World().efficacy(Phase(Radiation.PHOTON, 60.0, 30))
            1.0
        """
        if self.null or phase.radiation is Radiation.PHOTON:
            return 1.0
        proton = phase.radiation is Radiation.PROTON
        fixed = RBE[phase.radiation]
        physical = phase.dose / phase.fractions / (fixed if phase.biological else 1.0)
        let = self.let[0] if proton else self.let[1]
        model = self.proton_rbe if proton else "mkm"
        ratio = float(rbe(physical, let, self.alpha_beta, model)) / fixed
        return ratio * (1.0 if proton else self.hypoxic_gain)


WORLDS: Registry[World] = Registry("world")
"""Worlds by name."""
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

"""Mechanistic forecast: growth and LQ kill whose parameters follow a learned mixture.

Every patient has an own diffusion D, rate rho and radiosensitivity alpha. They are drawn from a
mixture over a fixed grid of parameter sets, whose weights an EM algorithm learns from the training
patients: a patient's posterior is the mixture times the likelihood of that patient's masks, so a
second image before radiotherapy narrows it. What a centre adds to the EM is a sum over patients
(``Statistics``), so sums over centres give exactly the pooled mixture. The ions' effect over their
recorded RBE-weighted dose, ``efficacy``, is learned the same way, shrunk towards 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from flame.core.treatment import Radiation
from flame.models.evolution import EVOLUTION_MODELS, EvolutionCase, Forecast, signed_distance
from flame.models.growth import Growth, diffusivity, grow
from flame.models.radiobiology import fraction_days, surviving_fraction, weighted_dose

Array = NDArray[np.float64]
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Efficacy = Mapping[Radiation, float]

PAIRS, ALPHAS = 12, tuple(0.006 * 1.35**k for k in range(8))
DIFFUSION, RATE, FASTEST_MM_DAY = (0.01, 0.25), (0.005, 0.06), 0.3
CLEARANCE_DAYS = 55.0
EFFICACIES = tuple(np.exp(np.linspace(-0.8, 0.8, 9)))
SHRINKAGE = 0.25
"""Prior standard deviation of the log efficacy of a radiation."""
VISIBLE, EDGE = 0.5, 0.06
"""Density at the contour, and how softly it is drawn."""
VOLUME_SPREAD, DICE_SCALE = 0.2, 0.15
"""How a mask differs from the truth of the model: log volume, and overlap."""
_LEAST_ML = 0.1
_EM_STEPS = 60


def parameter_grid() -> Array:
    """Sets (D mm2/day, rho 1/day, alpha 1/Gy): Sobol points of D and rho, each with all alphas."""
    points = qmc.Sobol(2, seed=0).random(64)
    d = np.exp(np.log(DIFFUSION[0]) + points[:, 0] * np.log(DIFFUSION[1] / DIFFUSION[0]))
    rho = np.exp(np.log(RATE[0]) + points[:, 1] * np.log(RATE[1] / RATE[0]))
    possible = np.flatnonzero(2 * np.sqrt(d * rho) <= FASTEST_MM_DAY)[:PAIRS]
    return np.array([(d[i], rho[i], a) for i in possible for a in ALPHAS])


def initial_density(mask: Mask, spacing: float, growth: Growth) -> Volume:
    """Density of a travelling wave whose contour at VISIBLE is the surface of ``mask``."""
    width = np.clip(np.sqrt(growth.diffusion / growth.rate), 1.0, 8.0)
    distance = signed_distance(mask, spacing)
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / width, -30, 30))), np.float32)


def simulate(
    case: EvolutionCase, parameters: Array, days: tuple[int, ...], efficacy: Efficacy
) -> list[Volume]:
    """Visible density (live and dead) on each of ``days``, in order, from the baseline's mask."""
    growth = Growth(float(parameters[0]), float(parameters[1]), clearance_days=CLEARANCE_DAYS)
    d = diffusivity(case.white, case.grey, growth)
    live = initial_density(case.tumour, case.spacing, growth)
    d = np.where(case.tumour & (d <= 0), 0.1 * growth.diffusion, d).astype(np.float32)
    dead, day, found = np.zeros_like(live), case.day, []
    maps = survival_by_day(case, float(parameters[2]), efficacy)
    for stop in days:
        survival = {k - day: v for k, v in maps.items() if day <= k < stop}
        live, dead = grow(live, dead, d, growth, case.spacing, stop - day, survival)
        day = stop
        found.append(np.minimum(live + dead, 1))
    return found


def survival_by_day(case: EvolutionCase, alpha: float, efficacy: Efficacy) -> dict[int, Volume]:
    """Surviving fraction of each day of radiotherapy."""
    prescribed = sum(weighted_dose(p) for p in case.treatment.phases)
    relative = np.asarray(case.dose, np.float64) / prescribed
    maps: dict[int, Volume] = {}
    for phase in case.treatment.phases:
        level = weighted_dose(phase) / phase.fractions * efficacy.get(phase.radiation, 1.0)
        survival = surviving_fraction(relative * level, alpha, alpha / 8).astype(np.float32)
        for day in fraction_days(phase):
            maps[day] = maps[day] * survival if day in maps else survival
    return maps


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a centre gives to one step of the EM: summed posteriors and the patients behind them."""

    posteriors: Array
    patients: int

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.posteriors + other.posteriors, self.patients + other.patients)


def summarise(log_likelihoods: Array, weights: Array) -> Statistics:
    """Posteriors of the patients of one centre (patient, set), summed."""
    return Statistics(posterior(log_likelihoods, weights).sum(axis=0), len(log_likelihoods))


def posterior(log_likelihoods: Array, weights: Array) -> Array:
    """Weights of the parameter sets for each patient (patient, set)."""
    joint = np.log(np.maximum(weights, 1e-300)) + log_likelihoods
    joint = np.exp(joint - joint.max(axis=-1, keepdims=True))
    return np.asarray(joint / joint.sum(axis=-1, keepdims=True))


def merge(parts: list[Statistics]) -> Array:
    """Weights after one step of the EM over all centres; no set is ever given up altogether."""
    total = sum(parts[1:], parts[0])
    smoothed = total.posteriors + 0.5 / len(total.posteriors)
    return np.asarray(smoothed / smoothed.sum())


def likeness(case: EvolutionCase, seen: Volume, mask: Mask) -> float:
    """Log likelihood of a drawn ``mask`` where the model has density ``seen``."""
    drawn = seen > VISIBLE
    there, expected = case.ml(mask), case.ml(drawn)
    error = np.log(max(there, _LEAST_ML) / max(expected, _LEAST_ML))
    dice = 2 * case.ml(drawn & mask) / max(there + expected, 1e-9)
    return float(-0.5 * (error / VOLUME_SPREAD) ** 2 - (1 - dice) / DICE_SCALE)


def before_radiotherapy(case: EvolutionCase, grid: Array) -> Array:
    """Log likelihood by parameter set of the baseline's mask, grown from an earlier one."""
    found = np.zeros(len(grid))
    if case.earlier is None:
        return found
    day, mask = case.earlier
    start = EvolutionCase(
        case.pseudonym, case.centre, case.spacing, day, mask, case.images, case.white, case.grey,
        case.dose, case.treatment,
    )  # fmt: skip
    for pair in range(0, len(grid), len(ALPHAS)):
        (seen,) = simulate(start, grid[pair], (case.day,), {})
        found[pair : pair + len(ALPHAS)] = likeness(case, seen, case.tumour)
    return found


def log_likelihoods(case: EvolutionCase, grid: Array, efficacy: Efficacy) -> Array:
    """Log likelihood by parameter set of all later masks of ``case``."""
    days = tuple(day for day, _ in case.later)
    found = np.zeros(len(grid))
    for k, parameters in enumerate(grid):
        for seen, (_, mask) in zip(simulate(case, parameters, days, efficacy), case.later,
                                   strict=True):  # fmt: skip
            found[k] += likeness(case, seen, mask)
    return found


@EVOLUTION_MODELS.register("mechanistic")
@dataclass
class Mechanistic:
    """``weights`` of the parameter sets and ``efficacy`` of the ions, both learned."""

    grid: Array = field(default_factory=parameter_grid)
    weights: Array = field(default_factory=lambda: np.empty(0))
    efficacy: dict[Radiation, float] = field(default_factory=dict)

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn the mixture, then the efficacy of each ion, then the mixture again."""
        early = np.array([before_radiotherapy(c, self.grid) for c in cases])
        late = np.array([log_likelihoods(c, self.grid, {}) for c in cases])
        self.weights = expectation_maximisation([early + late])
        for radiation in (Radiation.PROTON, Radiation.CARBON):
            treated = [i for i, c in enumerate(cases) if _has(c, radiation)]
            totals = np.zeros(len(EFFICACIES))
            for i in treated:
                totals += efficacy_evidence(cases[i], self.grid, self.weights, early[i], radiation)
            self.efficacy[radiation] = shrunken(totals)
        for i, case in enumerate(cases):
            if any(_has(case, r) for r in self.efficacy):
                late[i] = log_likelihoods(case, self.grid, self.efficacy)
        self.weights = expectation_maximisation([early + late])

    def ensemble(
        self, case: EvolutionCase, days: tuple[int, ...], kept: float = 0.99
    ) -> tuple[Array, list[list[Volume]]]:
        """The likeliest parameter sets' weights and visible densities [set][day]."""
        weights = posterior(before_radiotherapy(case, self.grid)[None], self.weights)[0]
        order = np.argsort(-weights)
        most = int(np.searchsorted(np.cumsum(weights[order]), kept)) + 1
        chosen = order[:most]
        seen = [simulate(case, self.grid[k], days, self.efficacy) for k in chosen]
        return weights[chosen] / weights[chosen].sum(), seen

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day, in order of ``days``."""
        weights, seen = self.ensemble(case, days)
        found = []
        for n, day in enumerate(days):
            soft = [1 / (1 + np.exp(-(s[n] - VISIBLE) / EDGE)) for s in seen]
            probability = np.tensordot(weights, np.array(soft), axes=1).astype(np.float32)
            ml = np.array([max(case.ml(s[n] > VISIBLE), _LEAST_ML / 10) for s in seen])
            found.append(Forecast(day, probability, _draws(ml, weights)))
        return found

    def parameters(self, case: EvolutionCase) -> dict[str, tuple[float, float, float]]:
        """Median and 90 % interval of D, rho and alpha of a patient."""
        later = log_likelihoods(case, self.grid, self.efficacy) if case.later else 0.0
        early = before_radiotherapy(case, self.grid)
        weights = posterior((early + later)[None], self.weights)[0]
        found = {}
        for name, column in zip(("diffusion", "rate", "alpha"), self.grid.T, strict=True):
            low, middle, high = _weighted_quantiles(column, weights, np.array([0.05, 0.5, 0.95]))
            found[name] = (float(middle), float(low), float(high))
        return found


def _has(case: EvolutionCase, radiation: Radiation) -> bool:
    return any(p.radiation is radiation for p in case.treatment.phases)


def expectation_maximisation(by_centre: list[Array]) -> Array:
    """Mixture weights from log likelihoods (patient, set) of each centre."""
    weights = np.full(by_centre[0].shape[1], 1 / by_centre[0].shape[1])
    for _ in range(_EM_STEPS):
        weights = merge([summarise(rows, weights) for rows in by_centre])
    return weights


def efficacy_evidence(
    case: EvolutionCase, grid: Array, weights: Array, early: Array, radiation: Radiation
) -> Array:
    """Log marginal likelihood of a patient's later masks by EFFICACIES of ``radiation``."""
    own = posterior(early[None], weights)[0]
    middle = (np.arange(24) + 0.5) / 24
    chosen, counts = np.unique(np.searchsorted(np.cumsum(own), middle), return_counts=True)
    chosen = np.minimum(chosen, len(grid) - 1)
    found = []
    for efficacy in EFFICACIES:
        rows = log_likelihoods(case, grid[chosen], {radiation: efficacy})
        top = rows.max()
        found.append(top + np.log(np.average(np.exp(rows - top), weights=counts)))
    return np.array(found)


def shrunken(totals: Array) -> float:
    """Posterior mean efficacy under a normal prior of its logarithm around 0."""
    steps = np.log(EFFICACIES)
    joint = totals - 0.5 * (steps / SHRINKAGE) ** 2
    weights = np.exp(joint - joint.max())
    return float(np.exp(np.average(steps, weights=weights)))


def _weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - weights[order] / 2
    return np.asarray(np.interp(levels, cumulative, values[order]))


def _draws(ml: Array, weights: Array) -> Array:
    """Equally likely volumes: those of the parameter sets, and how a reader would draw them."""
    levels = (np.arange(40) + 0.5) / 40
    noise = np.exp(VOLUME_SPREAD / 2 * np.array([-1.5, -0.5, 0.5, 1.5]))
    values, each = np.outer(ml, noise).ravel(), np.repeat(weights / 4, 4)
    return _weighted_quantiles(values, each, levels)

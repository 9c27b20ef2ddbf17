"""Mechanistic forecast: growth and LQ kill whose parameters follow a learned mixture.

Every patient has an own diffusion D, rate rho and radiosensitivity alpha. They are drawn from a
mixture over a fixed grid of parameter sets, whose weights an EM algorithm learns from the training
patients: a patient's posterior is the mixture times the likelihood of that patient's masks, so a
second image before radiotherapy narrows it. What a centre adds to the EM is a sum over patients
(``Statistics``), so sums over centres give exactly the pooled mixture. The ions' effect over their
recorded RBE-weighted dose, ``efficacy``, is learned the same way, shrunk towards 1.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import qmc

from flame.core.treatment import Radiation
from flame.models.evolution import (
    EVOLUTION_MODELS,
    LEAST_ML,
    EvolutionCase,
    Forecast,
    around,
    signed_distance,
)
from flame.models.growth import Growth, diffusivity, grow
from flame.models.radiobiology import ALPHA_BETA, fraction_days, weighted_dose

Array = NDArray[np.float64]
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Efficacy = Mapping[Radiation, float]

PAIRS, ALPHAS = 12, tuple(0.006 * 1.35**k for k in range(8))
DIFFUSION, RATE, FASTEST_MM_DAY = (0.01, 0.25), (0.005, 0.06), 0.3
CLEARANCE_DAYS, STEP_DAYS = 55.0, 3.5
EFFICACIES = tuple(np.exp(np.linspace(-0.6, 0.6, 5)))
SHRINKAGE = 0.25
"""Prior standard deviation of the log efficacy of a radiation."""
VISIBLE, EDGE = 0.5, 0.06
"""Density at the contour, and how softly it is drawn."""
VOLUME_SPREAD, DICE_SCALE = 0.2, 0.15
"""How a mask differs from the truth of the model: log volume, and overlap."""
_EM_STEPS = 60


def parameter_grid() -> Array:
    """Sets (D mm2/day, rho 1/day, alpha 1/Gy): Sobol points of D and rho, each with all alphas."""
    points = qmc.Sobol(2, seed=0).random(64)
    d = np.exp(np.log(DIFFUSION[0]) + points[:, 0] * np.log(DIFFUSION[1] / DIFFUSION[0]))
    rho = np.exp(np.log(RATE[0]) + points[:, 1] * np.log(RATE[1] / RATE[0]))
    possible = np.flatnonzero(2 * np.sqrt(d * rho) <= FASTEST_MM_DAY)[:PAIRS]
    return np.array([(d[i], rho[i], a) for i in possible for a in ALPHAS])


class Course:
    """A patient's course, simulated from the mask of the baseline for any parameter set.

    The first density is that of a travelling wave whose contour at VISIBLE is the mask's surface.
    Time runs in steps of STEP_DAYS and radiotherapy is given step by step.
    """

    def __init__(self, case: EvolutionCase, efficacy: Efficacy) -> None:
        self.case, self.distance = case, signed_distance(case.tumour, case.spacing)
        prescribed = sum(weighted_dose(p) for p in case.treatment.phases)
        relative = case.dose / np.float32(prescribed)
        self.kills: list[tuple[Volume, Counter[int]]] = []
        for phase in case.treatment.phases:
            level = weighted_dose(phase) / phase.fractions * efficacy.get(phase.radiation, 1.0)
            dose = relative * np.float32(level)
            steps = Counter(int((d - case.day) / STEP_DAYS) for d in fraction_days(phase))
            self.kills.append((dose + dose**2 / np.float32(ALPHA_BETA), steps))

    def seen(self, parameters: Array, days: tuple[int, ...]) -> list[Volume]:
        """Visible density (live and dead) on each of ``days``, in order."""
        case = self.case
        diffusion, rate, alpha = (float(v) for v in parameters)
        growth = Growth(
            diffusion * STEP_DAYS, rate * STEP_DAYS, clearance_days=CLEARANCE_DAYS / STEP_DAYS
        )
        d = diffusivity(case.white, case.grey, growth)
        d[case.tumour & (d <= 0)] = growth.grey_ratio * growth.diffusion
        width = float(np.clip(np.sqrt(diffusion / rate), 1.0, 8.0))
        live, survival = around(self.distance, width), self._survival(alpha)
        dead, step, found = np.zeros_like(live), 0, []
        for day in days:
            stop = round((day - case.day) / STEP_DAYS)
            ahead = {k - step: v for k, v in survival.items() if step <= k < stop}
            live, dead = grow(live, dead, d, growth, case.spacing, stop - step, ahead)
            step = stop
            found.append(np.minimum(live + dead, 1))
        return found

    def _survival(self, alpha: float) -> dict[int, Volume]:
        """Surviving fraction by step: exp(-alpha n (d + d^2 / (alpha/beta))) of n fractions."""
        maps: dict[int, Volume] = {}
        for effect, steps in self.kills:
            once = {n: np.exp(np.float32(-alpha * n) * effect) for n in set(steps.values())}
            for step, n in steps.items():
                maps[step] = maps[step] * once[n] if step in maps else once[n]
        return maps


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a centre gives to a step of the EM: summed posteriors and log marginal likelihoods."""

    posteriors: Array
    log_likelihood: float

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.posteriors + other.posteriors, self.log_likelihood + other.log_likelihood
        )


def summarise(log_likelihoods: Array, weights: Array) -> Statistics:
    """Statistics of the patients of one centre, given their log likelihoods (patient, set)."""
    joint = np.log(np.maximum(weights, 1e-300)) + log_likelihoods
    marginal = float(logsumexp(joint, axis=1).sum())
    return Statistics(posterior(log_likelihoods, weights).sum(axis=0), marginal)


def posterior(log_likelihoods: Array, weights: Array) -> Array:
    """Weights of the parameter sets for each patient (patient, set)."""
    joint = np.log(np.maximum(weights, 1e-300)) + log_likelihoods
    return np.asarray(np.exp(joint - logsumexp(joint, axis=-1, keepdims=True)))


def merge(parts: list[Statistics]) -> Array:
    """Weights after one step of the EM over all centres.

    Free over the pairs of D and rho, log-normal over alpha, and the two independent: a mixture
    free over all sets would explain the effect of a radiation by other patients.
    """
    total = sum(parts[1:], parts[0]).posteriors.reshape(-1, len(ALPHAS))
    pairs = total.sum(axis=1) + 0.5 / len(total)
    pairs /= pairs.sum()
    share = total.sum(axis=0) / total.sum()
    index = np.arange(len(ALPHAS))
    mean = share @ index
    spread = max(share @ (index - mean) ** 2, 0.5)
    alphas = np.exp(-((index - mean) ** 2) / (2 * spread))
    return np.asarray(np.outer(pairs, alphas / alphas.sum()).ravel())


def expectation_maximisation(by_centre: list[Array]) -> tuple[Array, float]:
    """Mixture weights, and their log likelihood, from log likelihoods (patient, set) by centre."""
    weights = np.full(by_centre[0].shape[1], 1 / by_centre[0].shape[1])
    parts: list[Statistics] = []
    for _ in range(_EM_STEPS):
        parts = [summarise(rows, weights) for rows in by_centre]
        weights = merge(parts)
    return weights, sum(p.log_likelihood for p in parts)


def likeness(case: EvolutionCase, seen: Volume, mask: Mask) -> float:
    """Log likelihood of a drawn ``mask`` where the model has density ``seen``."""
    drawn = seen > VISIBLE
    there, expected = case.ml(mask), case.ml(drawn)
    error = np.log(max(there, LEAST_ML) / max(expected, LEAST_ML))
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
    course = Course(start, {})
    for pair in range(0, len(grid), len(ALPHAS)):
        (seen,) = course.seen(grid[pair], (case.day,))
        found[pair : pair + len(ALPHAS)] = likeness(case, seen, case.tumour)
    return found


def log_likelihoods(case: EvolutionCase, grid: Array, efficacy: Efficacy) -> Array:
    """Log likelihood by parameter set of all later masks of ``case``."""
    days = tuple(day for day, _ in case.later)
    found = np.zeros(len(grid))
    course = Course(case, efficacy)
    for k, parameters in enumerate(grid):
        for seen, (_, mask) in zip(course.seen(parameters, days), case.later, strict=True):
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
        """Learn the efficacy of each ion and the mixture."""
        early = np.array([before_radiotherapy(c, self.grid) for c in cases])
        rows = early + np.array([log_likelihoods(c, self.grid, {}) for c in cases])
        for radiation in (Radiation.PROTON, Radiation.CARBON):
            treated = [i for i, c in enumerate(cases) if _has(c, radiation)]
            tried, totals = {}, []
            for efficacy in EFFICACIES if treated else ():
                tried[efficacy] = rows.copy()
                for i in treated:
                    known = {**self.efficacy, radiation: efficacy}
                    tried[efficacy][i] = early[i] + log_likelihoods(cases[i], self.grid, known)
                totals.append(expectation_maximisation([tried[efficacy]])[1])
            self.efficacy[radiation] = shrunken(np.array(totals)) if totals else 1.0
            if self.efficacy[radiation] != 1.0:
                for i in treated:
                    rows[i] = early[i] + log_likelihoods(cases[i], self.grid, self.efficacy)
        self.weights, _ = expectation_maximisation([rows])

    def ensemble(
        self, case: EvolutionCase, days: tuple[int, ...], kept: float = 0.99
    ) -> tuple[Array, list[list[Volume]]]:
        """The likeliest parameter sets' weights and visible densities [set][day]."""
        weights = posterior(before_radiotherapy(case, self.grid)[None], self.weights)[0]
        order = np.argsort(-weights)
        most = int(np.searchsorted(np.cumsum(weights[order]), kept)) + 1
        chosen = order[:most]
        course = Course(case, self.efficacy)
        seen = [course.seen(self.grid[k], days) for k in chosen]
        return weights[chosen] / weights[chosen].sum(), seen

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """One forecast a day, in order of ``days``."""
        weights, seen = self.ensemble(case, days)
        found = []
        for n, day in enumerate(days):
            soft = [1 / (1 + np.exp(-(s[n] - VISIBLE) / EDGE)) for s in seen]
            probability = np.tensordot(weights, np.array(soft), axes=1).astype(np.float32)
            ml = np.array([max(case.ml(s[n] > VISIBLE), LEAST_ML / 10) for s in seen])
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


def shrunken(totals: Array) -> float:
    """Efficacy of a radiation from the summed evidence by EFFICACIES.

    Half of the prior lies on 1, half is normal in the logarithm. It is 1 unless the evidence
    speaks for another, else the posterior mean of the others.
    """
    steps = np.log(EFFICACIES)
    prior = np.exp(-0.5 * (steps / SHRINKAGE) ** 2)
    joint = prior / prior.sum() * np.exp(totals - totals.max())
    same = float(np.exp(totals[np.argmin(np.abs(steps))] - totals.max()))
    if joint.sum() <= same:
        return 1.0
    return float(np.exp(np.average(steps, weights=joint)))


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

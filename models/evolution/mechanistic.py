"""Mechanistic forecast: growth and LQ cell kill, with parameters from a learned mixture.

Every patient has an individual diffusion D, rate rho and radiosensitivity alpha. Their prior is a
mixture over a fixed grid of parameter sets, whose weights ``flame.models.evolution.mixture``
learns. The posterior of a patient is proportional to the prior times the likelihood of that
patient's masks, so a second image before radiotherapy narrows it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.treatment import Radiation, fraction_days
from flame.models.evolution.mixture import GROUPS, Mixture, Trial, learned, posterior, reply
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    LEVELS,
    EvolutionCase,
    Forecast,
    around,
    ball_radius,
    signed_distance,
    soft_voxels,
)
from flame.models.evolution.wave_front import flair_likeness, front, local_diffusion
from flame.physics.growth import Growth, diffusivity, grow
from flame.physics.radiobiology import ALPHA_BETA, weighted_dose

Array = NDArray[np.float64]
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Sets = NDArray[np.intp]
Efficacy = Mapping[Radiation, float]

PAIRS = 48
"""Number of pairs of D and rho."""
ALPHAS = tuple(0.006 * 1.35**k for k in range(8))
"""Values of alpha in 1/Gy."""
DIFFUSION = (0.01, 0.25)
"""Range of D in mm2/day."""
RATE = (0.002, 0.06)
"""Range of rho in 1/day."""
MOST_KILLED = 0.8
"""Largest share of the visible cells that are dead at a baseline without radiotherapy ahead."""
FASTEST_MM_DAY = 0.3
"""Largest speed 2 sqrt(D rho) in mm/day."""
WIDTHS_MM = (0.5, 8.0)
"""Limits of the width sqrt(D / rho) of the tumour's edge in mm."""
PARAMETERS = ("diffusion", "rate", "alpha")
"""Names of the columns of ``parameter_grid``."""
_LOG_STEPS = (
    np.log(DIFFUSION[1] / DIFFUSION[0]) / PAIRS**0.5,
    np.log(RATE[1] / RATE[0]) / PAIRS**0.5,
    np.log(ALPHAS[1] / ALPHAS[0]),
)
"""Distance between neighbouring sets in the logarithm of each of PARAMETERS."""
CLEARANCE_DAYS = 55.0
"""Half-life of dead cells in days."""
STEP_DAYS = 3.5
"""Time step of the simulation in days."""
VISIBLE = 0.5
"""Density at the contour of the tumour."""
EDGE = 0.06
"""Scale of the logistic edge of the tumour, as a density."""
VOLUME_SPREAD = 0.2
"""Standard deviation of log volume between drawn and simulated masks after radiotherapy."""
EARLY_SPREAD = 0.05
"""Standard deviation of log volume between drawn and simulated masks before radiotherapy."""
DICE_SCALE = 0.15
"""Scale of 1 - Dice between drawn and simulated masks."""
_HOPELESS = 6.0
"""Log likelihood ratio to the best set, before radiotherapy, beyond which a set is not
simulated.
"""
_PLASTIC = 1.324717957244746
"""Plastic number, the real root of x^3 = x + 1."""
_FREEDOM = 2.0
"""Degrees of freedom of Student's t for log volume, which limits the effect of an outlying mask."""


@cache
def parameter_grid() -> Array:
    """Build the grid of parameter sets: evenly spread pairs of D and rho, each with all alphas.

    Sites and checkpoints refer to sets by their index. The points therefore come from Roberts' R2
    sequence (from powers of the plastic number), which does not depend on the version of a library.

    Returns:
        Sets (set, 3): D in mm2/day, rho in 1/day, alpha in 1/Gy.

    Example:
        >>> parameter_grid().shape
        (384, 3)
    """
    points = (0.5 + np.outer(np.arange(1, 65), [1 / _PLASTIC, 1 / _PLASTIC**2])) % 1
    d = np.exp(np.log(DIFFUSION[0]) + points[:, 0] * np.log(DIFFUSION[1] / DIFFUSION[0]))
    rho = np.exp(np.log(RATE[0]) + points[:, 1] * np.log(RATE[1] / RATE[0]))
    possible = np.flatnonzero(2 * np.sqrt(d * rho) <= FASTEST_MM_DAY)[:PAIRS]
    return np.array([(d[i], rho[i], alpha) for i, alpha in product(possible, ALPHAS)])


def killed(alpha: float) -> float:
    """Return the share of visible cells that are dead where no radiotherapy lies ahead.

    Without a dose that is still to come the radiosensitivity has no other effect. Each value of
    ALPHAS then stands for a share of dead cells, evenly from 0 to MOST_KILLED: these tumours shrink
    as dead cells are cleared.

    Args:
        alpha: radiosensitivity in 1/Gy.

    Returns:
        Share from 0 to MOST_KILLED.

    Example:
        >>> killed(ALPHAS[0]), killed(ALPHAS[-1])
        (0.0, 0.8)
    """
    place = np.log(alpha / ALPHAS[0]) / np.log(ALPHAS[-1] / ALPHAS[0])
    return float(np.round(MOST_KILLED * np.clip(place, 0, 1), 6))


class Course:
    """Simulation of one patient from the baseline mask, for any parameter set.

    The initial density is a travelling wave whose contour at VISIBLE is the surface of the mask.
    Time runs in steps of STEP_DAYS, and the fractions of a step are delivered at its start.

    Args:
        case: patient with the treatment to simulate.
        efficacy: factor on the RBE-weighted dose of each ion; 1 for a radiation without entry.
    """

    def __init__(self, case: EvolutionCase, efficacy: Efficacy) -> None:
        self.case = case
        self.distance = signed_distance(case.tumour, case.spacing)
        self.local = local_diffusion(case, self.distance)
        self.radius = ball_radius(case.ml(case.tumour))
        self.kills: list[tuple[Volume, Counter[int]]] = []
        if not case.is_ahead:
            return
        if case.dose is None or case.untold_dose:
            raise BadInput(f"{case.pseudonym} has {case.untold_dose}")
        prescribed = sum(weighted_dose(p) for p in case.phases)
        for number, phase in enumerate(case.phases):
            if case.phase_doses is None:
                total = case.dose * np.float32(weighted_dose(phase) / prescribed)
            else:
                total = case.phase_doses[number]
            level = efficacy.get(phase.radiation, 1.0) / phase.fractions
            dose = total * np.float32(level)
            ahead = [d for d in fraction_days(phase) if d >= case.day]
            steps = Counter(int((d - case.day) / STEP_DAYS) for d in ahead)
            self.kills.append((dose + dose**2 / np.float32(ALPHA_BETA), steps))

    def width(self, parameters: Array) -> float:
        """Compute the width sqrt(D / rho) of the wave, with D averaged over the tissue nearby.

        Args:
            parameters: D, rho and alpha (3,).

        Returns:
            Width in mm, within WIDTHS_MM.
        """
        width = np.sqrt(self.local * parameters[0] / parameters[1])
        return float(np.clip(width, *WIDTHS_MM))

    def cells(self, parameters: Array) -> Volume:
        """Compute the initial density of cells.

        Args:
            parameters: D, rho and alpha (3,).

        Returns:
            Density (x, y, z) on the day of the baseline, 0 to 1.
        """
        return front(self.distance, self.width(parameters), self.radius)

    def seen(self, parameters: Array, days: tuple[int, ...]) -> list[Volume]:
        """Simulate the visible density: live and dead cells, at most 1.

        Args:
            parameters: D, rho and alpha (3,).
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            Density (x, y, z) on each day.

        Raises:
            BadInput: the days do not ascend.
        """
        case = self.case
        if list(days) != sorted(days):
            raise BadInput("days to forecast must ascend; sort them")
        diffusion, rate, alpha = (float(v) for v in parameters)
        growth = Growth(
            diffusion * STEP_DAYS, rate * STEP_DAYS, clearance_days=CLEARANCE_DAYS / STEP_DAYS
        )
        d = diffusivity(case.white, case.grey, growth)
        d[case.tumour & (d <= 0)] = growth.grey_ratio * growth.diffusion
        live = self.cells(parameters)
        dead = np.zeros_like(live)
        if not case.is_ahead:  # part of what is seen may have been killed before the baseline
            dead = live * np.float32(killed(alpha))
            live = live - dead
        survival = self._survival(alpha)
        step = 0
        densities = []
        for day in days:
            stop = round((day - case.day) / STEP_DAYS)
            ahead = {k - step: v for k, v in survival.items() if step <= k < stop}
            live, dead = grow(live, dead, d, growth, case.spacing, stop - step, ahead)
            step = stop
            densities.append(np.minimum(live + dead, 1))
        return densities

    def _survival(self, alpha: float) -> dict[int, Volume]:
        """Return the surviving fraction (x, y, z) by step.

        It is exp(-alpha n (d + d^2 / (alpha/beta))) for n fractions of dose d.
        """
        maps: dict[int, Volume] = {}
        for effect, steps in self.kills:
            by_count = {n: np.exp(np.float32(-alpha * n) * effect) for n in set(steps.values())}
            for step, n in steps.items():
                maps[step] = maps[step] * by_count[n] if step in maps else by_count[n]
        return maps


def likeness(case: EvolutionCase, seen: Volume, mask: Mask, spread: float = VOLUME_SPREAD) -> float:
    """Compute the log likelihood of a drawn mask under a simulated density.

    It is -(f + 1)/2 log(1 + e^2 / f) - (1 - Dice) / 0.15, where e is the difference of log volumes
    in units of ``spread`` and f = 2. For a mask below LEAST_ML the term of Dice is omitted.

    Args:
        case: patient, for the volume of a voxel.
        seen: visible density (x, y, z).
        mask: drawn mask (x, y, z).
        spread: standard deviation of log volume.

    Returns:
        Log likelihood, up to a constant.

    Example:
        >>> from types import SimpleNamespace as Case
        >>> case = Case(ml=np.count_nonzero, log_ml=lambda m: np.log(np.count_nonzero(m)))
        >>> mask = np.array([False, True, True]).reshape(3, 1, 1)
        >>> likeness(case, mask.astype(np.float32), mask) == 0  # the masks are equal
        True
    """
    simulated = seen > VISIBLE
    drawn_ml = case.ml(mask)
    simulated_ml = case.ml(simulated)
    error = (case.log_ml(mask) - case.log_ml(simulated)) / spread
    volume_term = -0.5 * (_FREEDOM + 1) * np.log1p(error**2 / _FREEDOM)
    if drawn_ml < LEAST_ML:
        return float(volume_term)
    dice = 2 * case.ml(simulated & mask) / (drawn_ml + simulated_ml)
    return float(volume_term - (1 - dice) / DICE_SCALE)


_EARLY: WeakKeyDictionary[EvolutionCase, Array] = WeakKeyDictionary()
"""Cached results of ``early`` by case, as the simulation is slow."""
_ALL: WeakKeyDictionary[EvolutionCase, dict[tuple[float, ...], Array]] = WeakKeyDictionary()
"""Cached results of ``likelihoods`` by case and efficacies, as the simulation is slow."""


def early(case: EvolutionCase) -> Array:
    """Compute the log likelihood of the images before radiotherapy for each parameter set.

    It rates the extent of the FLAIR change and, with an earlier mask, growth up to the baseline.

    Args:
        case: patient.

    Returns:
        Log likelihoods (set,) in the order of ``parameter_grid``.
    """
    if case not in _EARLY:
        grid = parameter_grid()
        course = Course(case, {})
        widths = np.array([course.width(p) for p in grid[:: len(ALPHAS)]])
        flair = np.repeat(flair_likeness(case, widths), len(ALPHAS))
        _EARLY[case] = flair + _growth_likelihoods(case, grid)
    return _EARLY[case]


def likelihoods(case: EvolutionCase, efficacy: Efficacy) -> Array:
    """Compute the log likelihood of all images and masks for each parameter set.

    Args:
        case: patient with later masks.
        efficacy: factor on the RBE-weighted dose of each ion.

    Returns:
        Log likelihoods (set,) in the order of ``parameter_grid``.
    """
    key = tuple(efficacy.get(p.radiation, 1.0) for p in case.phases)
    cached = _ALL.setdefault(case, {})
    if key not in cached:
        cached[key] = early(case) + _follow_up_likelihoods(case, parameter_grid(), efficacy)
    return cached[key]


def _growth_likelihoods(case: EvolutionCase, grid: Array) -> Array:
    """Return the log likelihood (set,) of the baseline mask after growth from the earlier mask."""
    log_likelihoods = np.zeros(len(grid))
    if case.earlier is None:
        return log_likelihoods
    day, mask = case.earlier
    before = replace(case, day=day, tumour=mask, history=(), later=(), treatment=None)
    course = Course(before, {})
    for pair in range(0, len(grid), len(ALPHAS)):
        (seen,) = course.seen(grid[pair], (case.day,))
        log_likelihood = likeness(case, seen, case.tumour, EARLY_SPREAD)
        log_likelihoods[pair : pair + len(ALPHAS)] = log_likelihood
    return log_likelihoods


def _follow_up_likelihoods(case: EvolutionCase, grid: Array, efficacy: Efficacy) -> Array:
    """Return the log likelihood (set,) of all later masks; hopeless sets get the smallest one."""
    days = tuple(day for day, _ in case.later)
    log_likelihoods = np.zeros(len(grid))
    course = Course(case, efficacy)
    possible = early(case) > early(case).max() - _HOPELESS
    for k in np.flatnonzero(possible):
        for seen, (_, mask) in zip(course.seen(grid[k], days), case.later, strict=True):
            log_likelihoods[k] += likeness(case, seen, mask)
    log_likelihoods[~possible] = log_likelihoods[possible].min()
    return log_likelihoods


def group(case: EvolutionCase) -> int:
    """Find the MGMT group of a patient.

    Args:
        case: patient.

    Returns:
        Index of the group: 0 unmethylated, 1 methylated, 2 unknown.

    Example:
        >>> from types import SimpleNamespace as Case
        >>> [group(Case(methylated=m)) for m in (0.0, 1.0, float("nan"))]
        [0, 1, 2]
    """
    return GROUPS - 1 if np.isnan(case.methylated) else int(case.methylated > 0.5)


@EVOLUTION_MODELS.register("mechanistic")
@dataclass
class Mechanistic:
    """Mechanistic model: a mixture over the parameter sets, with the efficacy of the ions.

    The probability of a voxel is the sum over sets of posterior weight times sigmoid((density -
    VISIBLE) / EDGE).

    Args:
        mixture: learned mixture; ``fit`` replaces it.
    """

    mixture: Mixture = field(default_factory=Mixture)

    def fit(self, cases: list[EvolutionCase]) -> None:
        """Learn the efficacy of each ion and the mixture.

        Args:
            cases: cases with later masks.
        """
        self.mixture = learned(lambda trials: [self.reply(cases, trials)], len(ALPHAS))

    def reply(
        self, cases: list[EvolutionCase], trials: list[Trial], by_mgmt: bool = True
    ) -> list[Array]:
        """Compute a centre's reply: the sums over its patients that an EM step needs.

        Args:
            cases: cases of the centre.
            trials: mixtures to evaluate.
            by_mgmt: whether each MGMT group has its own sums, which can be of few patients; else
                all patients count as unknown.

        Returns:
            One array (group, set + 1) for each trial; see ``mixture.reply``.
        """
        groups = np.array([group(c) if by_mgmt else GROUPS - 1 for c in cases])
        return [
            reply(np.array([likelihoods(c, t.efficacy) for c in cases]), groups, t) for t in trials
        ]

    def likely_sets(self, case: EvolutionCase, kept: float = 0.99) -> tuple[Array, Sets]:
        """Select the most probable parameter sets given the images before radiotherapy.

        The selection does not depend on the treatment.

        Args:
            case: patient.
            kept: posterior probability that the returned sets cover.

        Returns:
            Weights (k,), which sum to 1, and indices (k,) into ``parameter_grid``.
        """
        weights = self._weights(case, early(case))
        order = np.argsort(-weights)
        chosen = order[: int(np.searchsorted(np.cumsum(weights[order]), kept)) + 1]
        return weights[chosen] / weights[chosen].sum(), chosen

    def densities(
        self, case: EvolutionCase, sets: Sets, days: tuple[int, ...]
    ) -> list[tuple[Volume, ...]]:
        """Simulate the visible density under the treatment of the case.

        Args:
            case: patient.
            sets: indices (k,) into ``parameter_grid``.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            Densities (x, y, z) by day, then by set.
        """
        course = Course(case, self.mixture.efficacy)
        return list(zip(*(course.seen(parameter_grid()[k], days) for k in sets), strict=True))

    def ensemble(
        self, case: EvolutionCase, days: tuple[int, ...]
    ) -> tuple[Array, list[tuple[Volume, ...]]]:
        """Simulate the most probable parameter sets.

        Args:
            case: patient with the treatment to forecast.
            days: days from the start of radiotherapy, in ascending order.

        Returns:
            Weights (k,) of the sets, and densities (x, y, z) by day, then by set.
        """
        weights, sets = self.likely_sets(case)
        return weights, self.densities(case, sets, days)

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """See ``EvolutionModel``."""
        weights, densities = self.ensemble(case, days)
        forecasts = []
        for day, by_set in zip(days, densities, strict=True):
            soft = [around(s - VISIBLE, EDGE) for s in by_set]
            probability = np.tensordot(weights, np.array(soft), axes=1).astype(np.float32)
            volumes = drawn_volumes(case, weights, by_set)
            forecasts.append(Forecast(day, probability, volumes))
        return forecasts

    def growth_before(self, case: EvolutionCase) -> Array:
        """Estimate growth from the images before radiotherapy.

        Args:
            case: patient.

        Returns:
            Posterior means (2,) of log D (D in mm2/day) and log rho (rho in 1/day).
        """
        return np.asarray(self._weights(case, early(case)) @ np.log(parameter_grid()[:, :2]))

    def _weights(self, case: EvolutionCase, log_likelihoods: Array) -> Array:
        """Return the posterior probability (set,) of each parameter set."""
        prior = self.mixture.weights[group(case)]
        return np.asarray(posterior(log_likelihoods[None], prior[None])[0])

    def parameters(self, case: EvolutionCase) -> dict[str, tuple[float, float, float]]:
        """Estimate the posterior median and 90 % interval of each parameter.

        A set represents all values closer to it than to the next set, so no interval is narrower.

        Args:
            case: patient; any later masks are used.

        Returns:
            Median, 5 % and 95 % quantile by name: diffusion in mm2/day, rate in 1/day, alpha in
            1/Gy.
        """
        efficacy = self.mixture.efficacy
        weights = self._weights(case, likelihoods(case, efficacy) if case.later else early(case))
        # Eleven points, evenly spaced in the logarithm, represent the range of each set.
        offsets = np.linspace(-0.5, 0.5, 11)
        point_weights = np.repeat(weights / 11, 11)
        levels = np.array([0.05, 0.5, 0.95])
        estimates = {}
        for name, column, step in zip(PARAMETERS, parameter_grid().T, _LOG_STEPS, strict=True):
            values = np.outer(column, np.exp(step * offsets)).ravel()
            low, middle, high = _weighted_quantiles(values, point_weights, levels)
            estimates[name] = (float(middle), float(low), float(high))
        return estimates


def _weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """Return the quantiles of values (n,) with weights (n,) at some levels."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - weights[order] / 2
    return np.asarray(np.interp(levels, cumulative, values[order]))


def drawn_volumes(case: EvolutionCase, weights: Array, seen: Sequence[Volume]) -> Array:
    """Compute equally likely volumes of the tumour as different readers would draw it.

    The volume of each set is multiplied by log-normal noise, which represents differences between
    readers.

    Args:
        case: patient, for the volume of a voxel.
        weights: weights (k,) of the sets.
        seen: visible density (x, y, z) of each set.

    Returns:
        Volumes (40,) in ml, one for each of LEVELS.
    """
    ml = np.array([soft_voxels(s) for s in seen]) * case.voxel_ml
    noise = np.exp(VOLUME_SPREAD / 2 * np.array([-1.5, -0.5, 0.5, 1.5]))
    volumes = np.outer(ml, noise).ravel()
    volume_weights = np.repeat(weights / 4, 4)
    return _weighted_quantiles(volumes, volume_weights, LEVELS)

"""Mixed-effects growth: every tumour has its own rate, drawn from that of the training patients.

The size y of a patient changes as y(t) - y(0) = (m + u) f(t) + e(t) - e(0), where u ~ N(0, s_u^2)
is the patient's own rate and e ~ N(0, s_e^2) the error of each drawn mask. The size is the log
volume (``log-linear``) or the radius of the ball of that volume (``linear``), and f(t) = t. With
masks before the baseline a patient's rate is updated by Bayes' rule, so that a forecast sharpens
with every image that is made. Growth before and after the end of radiotherapy is learned apart.
``surface`` does not take the course over time for granted, and knows that the contour itself is
uncertain.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import stdtrit

from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    LEAST_ML,
    LEVELS,
    EvolutionCase,
    Forecast,
    Mask,
    Samples,
    Volume,
    ball_radius,
    largest,
    resized,
    signed_distance,
)
from flame.models.segmentation.case_table import dice

Array = NDArray[np.float64]

SPREADS = np.exp(np.linspace(np.log(0.02), np.log(4.0), 32))
"""Grid of s_u, in units of the curve."""
ERRORS = np.exp(np.linspace(np.log(0.02), np.log(0.6), 16))
"""Grid of s_e, in units of the curve."""
UNIT_DAYS = 100.0
"""Days at which f(t) = (t / UNIT_DAYS)^power is 1, whatever the power."""


@dataclass(frozen=True)
class Curve:
    """Growth with one power of time, and the priors by which few patients give an estimate.

    Args:
        rate: mean and standard deviation of m, in units of size per UNIT_DAYS.
        log_spread: the same of the logarithm of s_u.
        log_error: the same of the logarithm of s_e, in units of size.
        power: power of the time since baseline.
        unit: size of which SPREADS and ERRORS are multiples.
        found: m, its variance, s_u and s_e; after ``fitted``.
    """

    rate: tuple[float, float]
    log_spread: tuple[float, float]
    log_error: tuple[float, float]
    power: float = 1.0
    unit: float = 1.0
    found: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def time(self, days: Array) -> Array:
        """Return f of days since baseline, of any shape."""
        return np.asarray((np.abs(days) / UNIT_DAYS) ** self.power * np.sign(days))

    def sums(self, grown: list[tuple[Array, Array]]) -> Array:
        """Compute what patients contribute to the fit, at each s_u of SPREADS and s_e of ERRORS.

        Args:
            grown: days since baseline (n,) and changes of size (n,) of each patient.

        Returns:
            Sums (spread, error, 4) over patients, which add up over centres: t'Vt, t'Vy, y'Vy and
            the log determinant of V^-1, with times t, changes y and the inverse covariance V.
        """
        total = np.zeros((len(SPREADS), len(ERRORS), 4))
        for days, changes in grown:
            t = self.time(days)
            rates = (SPREADS * self.unit)[:, None, None, None] ** 2 * np.outer(t, t)
            noise = (ERRORS * self.unit)[:, None, None] ** 2 * (np.eye(len(t)) + 1)
            v = np.linalg.inv(rates + noise)
            total[..., 0] += t @ v @ t
            total[..., 1] += t @ v @ changes
            total[..., 2] += changes @ v @ changes
            total[..., 3] += np.linalg.slogdet(rates + noise)[1]
        return total

    def fitted(self, sums: Array) -> tuple["Curve", float]:
        """Find s_u and s_e at the mode of their posterior, and the posterior of m given them.

        Args:
            sums: sums of all patients, see ``sums``.

        Returns:
            The fitted curve, and its log posterior (m integrated out), which compares powers.
        """
        mean, sd = self.rate
        precision = sums[..., 0] + 1 / sd**2
        rate = (sums[..., 1] + mean / sd**2) / precision
        squares = sums[..., 2] + mean**2 / sd**2 - rate**2 * precision
        posterior = -0.5 * (sums[..., 3] + squares + np.log(precision)) - np.log(sd)
        for axis, (values, (middle, width)) in enumerate(
            ((SPREADS, self.log_spread), (ERRORS, self.log_error))
        ):
            prior = -0.5 * ((np.log(values * self.unit) - middle) / width) ** 2
            posterior = posterior + (prior[:, None] if axis == 0 else prior)
        place, other = np.unravel_index(int(np.argmax(posterior)), posterior.shape)
        found = (
            float(rate[place, other]),
            float(1 / precision[place, other]),
            float(SPREADS[place] * self.unit),
            float(ERRORS[other] * self.unit),
        )
        return replace(self, found=found), float(posterior[place, other])

    def predicted(self, elapsed: float, seen: Array) -> tuple[float, float]:
        """Predict the change of size of a new patient.

        Args:
            elapsed: days since baseline.
            seen: for each earlier mask (n, 2) the days (negative) from the baseline to it, and the
                change of size from it to the baseline.

        Returns:
            Mean and standard deviation of the change.
        """
        rate, uncertain, spread, error = self.found
        between = spread**2 + uncertain
        time = float(self.time(np.array(elapsed)))
        days, changes = np.reshape(seen, (-1, 2)).T
        spans = -self.time(days)
        # The error of the baseline is in all changes: those seen, and with opposite sign those to
        # come.
        shared = between * spans * time - error**2
        own = between * np.outer(spans, spans) + error**2 * (np.eye(len(spans)) + 1)
        gain = np.linalg.solve(own, shared)
        mean = rate * time + gain @ (changes - rate * spans)
        variance = between * time**2 + 2 * error**2 - gain @ shared
        return float(mean), float(np.sqrt(variance))


LOG_VOLUME = Curve((0.0, 1.0), (np.log(0.4), 1.0), (np.log(0.12), 0.5))
"""Log volume: an untreated glioblastoma doubles in 50 days, a rate of 1.4 per 100 days (Stensjoen
2015, 10.1093/neuonc/nov029), and may shrink as fast under treatment; readers differ by about 12 %.
"""
RADIUS = Curve((0.0, 5.0), (np.log(2.0), 1.0), (np.log(0.6), 0.5), unit=5.0)
"""Radius in mm: fronts move at up to 0.3 mm/day (Swanson 2008, 10.1093/jnen/66.1.1)."""
POWERS = (0.0, 0.5, 1.0)
"""Powers of time between which ``surface`` does not decide. Growth that is proportional to time
extrapolates without end. In practice the next image is made, and treatment changed, because of the
growth that was seen, so that growth until then may hardly depend on the time (power 0)."""
BLURS_MM = (0.5, 2.0, 3.0, 4.5, 6.0)
"""Standard deviations of the blur of a contour in mm."""


LEAST_APART = 3
"""Least number of patients from whom growth before and after radiotherapy is learned apart."""


@dataclass(frozen=True)
class Fitted:
    """Growth in one phase of the disease.

    Args:
        curves: fitted curves.
        weights: posterior probability of each curve (curve,).
        freedom: degrees of freedom of the distribution of a new patient.
    """

    curves: tuple[Curve, ...]
    weights: Array
    freedom: float


class GrowthCurve:
    """Base of mixed-effects models of the size.

    Of several curves each counts by its posterior probability. The distribution of a new patient is
    Student's with as many degrees of freedom as training patients, less one. Patients with
    radiotherapy to come and others have curves of their own; a patient who is followed after the
    end of radiotherapy counts in both. Where fewer than LEAST_APART patients tell one of them, both
    are learned from all patients, each from its own baseline.
    """

    curves: tuple[Curve, ...]

    def size(self, case: EvolutionCase, mask: Mask) -> float:
        """Return the size of a mask, on the scale on which growth is described."""
        raise NotImplementedError

    def ml(self, size: Array) -> Array:
        """Return volumes in ml of sizes."""
        raise NotImplementedError

    def fit(self, cases: list[EvolutionCase]) -> None:
        """See ``EvolutionModel``."""
        self.learn(self.sums(cases))

    def sums(self, cases: list[EvolutionCase], groups: Sequence[Hashable] = ()) -> dict[str, Array]:
        """Compute what the patients of a centre contribute; the arrays add up over centres.

        The sums at many spreads and errors would tell the days and changes of each of few patients.
        With ``groups`` each patient counts with the last mask and the mean day of its group, so
        that the sums tell no more than the number, the mean day, and the sum and squares of the
        changes of each group. The groups have to be the same in every training of a site.

        Args:
            cases: cases with later masks.
            groups: group of each case; empty: every patient counts alone. A group counts in a
                phase if all its patients are followed in it.

        Returns:
            ``curves`` (phase, curve, spread, error, 4), see ``Curve.sums``, and the number of
            ``patients`` (phase,); the phases are with radiotherapy to come, without, and both
            together.
        """
        ahead = [case if case.is_ahead else None for case in cases]
        others = [case.afterwards() if case.is_ahead else case for case in cases]
        phases = [self._grown(phase, groups) for phase in (ahead, others, cases)]
        curves = np.array([[c.sums(grown) for c in self.curves] for grown in phases])
        return {"curves": curves, "patients": np.array([float(len(g)) for g in phases])}

    def _grown(
        self, cases: Sequence[EvolutionCase | None], groups: Sequence[Hashable]
    ) -> list[tuple[Array, Array]]:
        """Return days and changes of the patients of a phase; see ``sums``."""
        if not groups:
            return [self._growth(case) for case in cases if case]
        found = []
        for group in dict.fromkeys(groups):
            members = [c for c, own in zip(cases, groups, strict=True) if own == group]
            grown = [self._growth(case) for case in members if case]
            if len(grown) == len(members):
                day = np.mean([days[-1] for days, _ in grown])
                found += [(np.array([day]), changes[-1:]) for _, changes in grown]
        return found

    def learn(self, sums: Mapping[str, Array]) -> None:
        """Learn from the sums of all centres.

        Args:
            sums: sums over patients, see ``sums``.
        """
        curves, patients = sums["curves"], sums["patients"]
        apart = (0, 1) if min(patients[:2]) >= LEAST_APART else (2, 2)
        self.phases = [self._phase(curves[n], float(patients[n])) for n in apart]

    def _phase(self, sums: Array, patients: float) -> Fitted:
        fitted = [c.fitted(s) for c, s in zip(self.curves, sums, strict=True)]
        posterior = np.array([value for _, value in fitted])
        weights = np.exp(posterior - posterior.max())
        curves = tuple(curve for curve, _ in fitted)
        return Fitted(curves, weights / weights.sum(), max(patients - 1, 1.0))

    def _growth(self, case: EvolutionCase) -> tuple[Array, Array]:
        """Return days since baseline and change of size of every later mask."""
        start = self.size(case, case.tumour)
        rows = [(day - case.day, self.size(case, mask) - start) for day, mask in case.later]
        days, changes = np.array(rows, float).T
        return days, changes

    def volumes(self, case: EvolutionCase, day: int) -> Samples:
        """Forecast the volume.

        Args:
            case: patient.
            day: day of the forecast.

        Returns:
            Equally likely volumes (40,) in ml, one for each of LEVELS.
        """
        start = self.size(case, case.tumour)
        phase = self.phases[0 if case.is_ahead else 1]
        seen = np.array([(d - case.day, start - self.size(case, m)) for d, m in case.history])
        fine = (np.arange(400) + 0.5) / 400
        sizes, weights = [], []
        for curve, weight in zip(phase.curves, phase.weights, strict=True):
            mean, sd = curve.predicted(day - case.day, seen)
            sizes.append(start + mean + sd * stdtrit(phase.freedom, fine))
            weights.append(np.full(len(fine), weight / len(fine)))
        values, shares = np.concatenate(sizes), np.concatenate(weights)
        order = np.argsort(values)
        levels = np.cumsum(shares[order]) - shares[order] / 2
        # A tumour below LEAST_ML has a smaller volume than its size says.
        actual = case.ml(case.tumour) / float(self.ml(np.array(start)))
        return self.ml(np.interp(LEVELS, levels, values[order])) * min(actual, 1.0)

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """See ``EvolutionModel``."""
        forecasts = []
        for day in days:
            volumes = self.volumes(case, day)
            low, high = (ball_radius(max(v, LEAST_ML)) for v in np.quantile(volumes, [0.16, 0.84]))
            median = float(np.median(volumes))
            forecasts.append(resized(case, day, median, volumes, sd_mm=(high - low) / 2))
        return forecasts


@EVOLUTION_MODELS.register("log-linear")
class LogLinear(GrowthCurve):
    """Exponential growth at a rate of each patient's own."""

    curves: tuple[Curve, ...] = (LOG_VOLUME,)

    def size(self, case: EvolutionCase, mask: Mask) -> float:
        """See ``GrowthCurve``."""
        return case.log_ml(mask)

    def ml(self, size: Array) -> Array:
        """See ``GrowthCurve``."""
        return np.asarray(np.exp(np.minimum(size, np.log(1500))))


@EVOLUTION_MODELS.register("linear")
class Linear(GrowthCurve):
    """Growth of the radius at a speed of each patient's own."""

    curves = (RADIUS,)

    def size(self, case: EvolutionCase, mask: Mask) -> float:
        """See ``GrowthCurve``."""
        return ball_radius(max(case.ml(mask), LEAST_ML))

    def ml(self, size: Array) -> Array:
        """See ``GrowthCurve``."""
        return np.asarray(4 / 3 * np.pi * np.clip(size, 0, 70) ** 3 / 1000)


@EVOLUTION_MODELS.register("surface")
class Surface(LogLinear):
    """Growth of the log volume from a contour that is itself uncertain.

    The course over time is a mixture of POWERS. A drawn contour differs from the next one by slice
    thickness, registration and reader, even where nothing has grown. Voxels join the tumour in the
    order of the mask after a Gaussian blur, whose width is learned: the one of BLURS_MM that orders
    the voxels of the training patients best, by the Dice at their true volumes. The probability of
    a voxel is the share of forecast volumes that reach it, so that the mask at one half has the
    median volume.
    """

    curves = tuple(replace(LOG_VOLUME, power=power) for power in POWERS)

    def sums(self, cases: list[EvolutionCase], groups: Sequence[Hashable] = ()) -> dict[str, Array]:
        """See ``GrowthCurve``; ``blurs`` (blur,) are the sums of the Dice of each of BLURS_MM."""
        fits = [[_fit_of(case, blur) for blur in BLURS_MM] for case in cases]
        blurs = np.array(fits, float).reshape(-1, len(BLURS_MM)).sum(axis=0)
        return {**super().sums(cases, groups), "blurs": blurs}

    def learn(self, sums: Mapping[str, Array]) -> None:
        """See ``GrowthCurve``."""
        super().learn(sums)
        self.blur = BLURS_MM[int(np.argmax(sums["blurs"]))]

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """See ``EvolutionModel``."""
        order = _order(case, self.blur)
        place = np.empty(order.size, int)
        place[np.argsort(-order.ravel(), kind="stable")] = np.arange(order.size)
        needed = (place.reshape(order.shape) + 1) * case.voxel_ml
        forecasts = []
        for day in days:
            volumes = self.volumes(case, day)
            reached = np.searchsorted(np.sort(volumes), needed - case.voxel_ml / 2)
            probability = (1 - reached / len(volumes)).astype(np.float32)
            forecasts.append(Forecast(day, probability, volumes))
        return forecasts


def _fit_of(case: EvolutionCase, blur: float) -> float:
    """Return the mean Dice of the true masks and the first voxels, as many as they have."""
    order = _order(case, blur)
    return float(
        np.mean([dice(largest(order, int(np.count_nonzero(m))), m) for _, m in case.later])
    )


def _order(case: EvolutionCase, blur: float) -> Volume:
    """Return how early each voxel (x, y, z) is tumour: the blurred mask, then the distance."""
    blurred = gaussian_filter(case.tumour.astype(np.float64), blur / case.spacing)
    distance = np.clip(signed_distance(case.tumour, case.spacing), -200, 200)
    return np.asarray(blurred + 1e-4 * distance, np.float32)

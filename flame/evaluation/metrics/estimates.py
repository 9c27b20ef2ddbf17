"""Metrics with 95 % intervals. An undefined value is NaN and has a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from flame.core.errors import FlameError
from flame.models.regression import cox, logistic
from flame.models.regression.discrimination import lived_longer
from flame.models.regression.newton import Likelihood, Penalty, maximise
from flame.models.regression.survival_curves import Z

Array = NDArray[np.float64]
NAN = float("nan")
_SAMPLES = 1000
"""Bootstrap samples for means over patients and the balanced accuracy."""
_SAMPLES_OF_PAIRS = 500
"""Bootstrap samples for the C-index and for differences between models."""
_SAMPLES_OF_CURVES = 200
"""Bootstrap samples for the average precision."""
_CONSTANT = 1e-9
"""Range of predictions below which they count as constant, so that no slope is defined."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Args:
        value: the value; NaN where it is undefined.
        low: lower bound; NaN where undefined.
        high: upper bound; NaN where undefined.
        reason: why the value is undefined; empty where it is defined.
    """

    value: float
    low: float = NAN
    high: float = NAN
    reason: str = ""


def undefined(reason: str) -> Estimate:
    """Build an estimate without a value.

    Args:
        reason: why the value is undefined.

    Returns:
        An estimate whose value and bounds are NaN.
    """
    return Estimate(NAN, reason=reason)


def averaged(estimates: Sequence[Estimate]) -> Estimate:
    """Average estimates of the same patients over seeds, and the ends of their intervals.

    Args:
        estimates: estimate of each seed, at least one.

    Returns:
        The average; undefined if one of them is, with its reason.

    Example:
        >>> averaged([Estimate(0.5, 0.4, 0.6), Estimate(1.0, 0.8, 1.2)]).low.__round__(6)
        0.6
    """
    for estimate in estimates:
        if estimate.reason:
            return estimate
    value, low, high = np.mean([(e.value, e.low, e.high) for e in estimates], axis=0)
    return Estimate(float(value), float(low), float(high))


def auc(response: Array, probability: Array, fold: NDArray[np.intp]) -> float:
    """Compute the area under the ROC curve from pairs of patients of the same fold.

    AUC = share of pairs (responder, non-responder) in which the responder has the higher
    probability; ties count half. Different models predicted patients of different folds. Pairs
    across folds would bias the AUC of a model without skill below 0.5.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        probability: (n,) predictions.
        fold: (n,) fold of each patient.

    Returns:
        The AUC from 0 to 1; NaN where no fold has both responders and non-responders.

    Reference:
        Airola 2011, doi:10.1016/j.csda.2010.11.018.

    Example:
        >>> response, one_fold = np.array([0.0, 0.0, 1.0, 1.0]), np.zeros(4, int)
        >>> auc(response, np.array([0.1, 0.6, 0.4, 0.9]), one_fold)
        0.75
    """
    wins = 0.0
    pairs = 0
    for k in np.unique(fold):
        in_fold = fold == k
        positives = response[in_fold] > 0.5
        n_pos = int(positives.sum())
        n_neg = int((~positives).sum())
        if n_pos and n_neg:
            ranks = rankdata(probability[in_fold])
            wins += float(ranks[positives].sum()) - n_pos * (n_pos + 1) / 2
            pairs += n_pos * n_neg
    return wins / pairs if pairs else NAN


def mean_auc(response: Array, by_seed: Array, folds: NDArray[np.intp]) -> float:
    """Average the AUC over seeds.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        by_seed: (seed, n) predictions.
        folds: (seed, n) fold of each patient.

    Returns:
        The mean AUC from 0 to 1; NaN where a seed has no defined AUC, see ``auc``.
    """
    return float(np.mean([auc(response, p, f) for p, f in zip(by_seed, folds, strict=True)]))


def auc_interval(value: float, n_pos: int, n_neg: int, folds: int = 1) -> tuple[float, float]:
    """Compute the 95 % interval of an AUC by a method that suits few patients and an AUC near 1.

    With several folds, the AUC counts as the mean of one AUC for each fold, and all folds have the
    same number of patients.

    Args:
        value: the AUC.
        n_pos: number of responders.
        n_neg: number of non-responders.
        folds: number of folds.

    Returns:
        Lower and upper bound, from 0 to 1.

    Reference:
        Newcombe 2006, doi:10.1002/sim.2324, method 5.

    Example:
        >>> low, high = auc_interval(1.0, 10, 10)
        >>> round(low, 2), high
        (0.8, 1.0)
    """
    size = max((n_pos + n_neg) / 2 / folds - 1, 0)

    def half_width(theta: float) -> float:
        spread = 1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta)
        return Z * float(np.sqrt(theta * (1 - theta) * spread * folds / (n_pos * n_neg)))

    def solve(low: float, high: float, sign: int) -> float:
        def gap(theta: float) -> float:
            return theta + sign * half_width(theta) - value

        return float(brentq(gap, low, high))

    tiny = 1e-9  # distance from 0, from 1 and from the AUC itself
    return (
        solve(tiny, value - tiny, 1) if value > 2 * tiny else 0.0,
        solve(value + tiny, 1 - tiny, -1) if value < 1 - 2 * tiny else 1.0,
    )


def auc_estimate(response: Array, by_seed: Array, folds: NDArray[np.intp]) -> Estimate:
    """Average the AUC over seeds, with the interval of ``auc_interval``.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        by_seed: (seed, n) predictions.
        folds: (seed, n) fold of each patient.

    Returns:
        The AUC with its interval; undefined where no fold has both classes.
    """
    if not len(response):
        return undefined("no patient with a known response")
    if len(np.unique(response)) < 2:
        kind = "responders" if response[0] > 0.5 else "non-responders"
        return undefined(f"all {len(response)} patients are {kind}")
    value = mean_auc(response, by_seed, folds)
    if not np.isfinite(value):
        return undefined("no fold holds both responders and non-responders")
    n_pos = int((response > 0.5).sum())
    groups = len(np.unique(folds))
    return Estimate(value, *auc_interval(value, n_pos, len(response) - n_pos, groups))


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    patients: int,
    repeats: int = _SAMPLES_OF_PAIRS,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the percentile interval of a statistic over resampled patients.

    Args:
        statistic: function of the rows (n,) of patients, which may occur several times.
        patients: number of patients.
        repeats: number of samples.
        seed: seed of the samples.

    Returns:
        The 2.5 % and 97.5 % quantiles; NaN if most samples leave the statistic undefined.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(0, patients, patients)) for _ in range(repeats)]
    defined = [v for v in values if np.isfinite(v)]
    if len(defined) < repeats / 2:
        return NAN, NAN
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def crossed_estimate(values: Array, missing: str) -> Estimate:
    """Compute the mean over patients and seeds of training, both of which are samples.

    Patients and seeds are resampled independently, so that the interval is about further patients
    and further trainings. With one seed it is about patients alone.

    Args:
        values: (seed, n) one value for each training and patient; NaN where there is none.
        missing: reason of the undefined estimate if no patient has a value.

    Returns:
        The mean over patients of their mean over seeds, with a percentile bootstrap interval.

    Reference:
        Owen 2007, doi:10.1214/07-AOAS122 (bootstrap of crossed random effects).

    Example:
        >>> crossed_estimate(np.array([[2.0, 2.0], [2.0, np.nan]]), "no patients")
        Estimate(value=2.0, low=2.0, high=2.0, reason='')
    """
    known = values[:, np.isfinite(values).any(axis=0)]
    if not known.size:
        return undefined(missing)
    there = np.isfinite(known)
    filled = np.where(there, known, 0.0)

    def mean(seeds: Array, rows: NDArray[np.intp]) -> float:
        counts = seeds @ there[:, rows]
        sums = (seeds @ filled[:, rows])[counts > 0]
        return float((sums / counts[counts > 0]).mean()) if len(sums) else NAN

    trainings, n = known.shape
    rng = np.random.default_rng(1)

    def resampled(rows: NDArray[np.intp]) -> float:
        drawn = rng.integers(0, trainings, trainings)
        return mean(np.bincount(drawn, minlength=trainings).astype(float), rows)

    low, high = bootstrap(resampled, n, _SAMPLES)
    return Estimate(mean(np.ones(trainings), np.arange(n)), low, high)


def brier_estimate(response: Array, by_seed: Array) -> Estimate:
    """Compute the Brier score averaged over seeds, with a percentile bootstrap interval.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        by_seed: (seed, n) probabilities.

    Returns:
        The score from 0 to 1 with its interval; undefined without patients.
    """
    if not len(response):
        return undefined("no patients")
    errors = ((by_seed - response) ** 2).mean(axis=0)
    low, high = bootstrap(lambda rows: float(errors[rows].mean()), len(response), _SAMPLES)
    return Estimate(float(errors.mean()), low, high)


def auprc_estimate(response: Array, by_seed: Array) -> Estimate:
    """Compute the average precision, averaged over seeds, with a percentile bootstrap interval.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        by_seed: (seed, n) predictions.

    Returns:
        The average precision from 0 to 1 with its interval; undefined without responders.
    """
    if not (response > 0.5).any():
        return undefined("no responders")
    if (response > 0.5).all():
        return undefined("responders only")

    def statistic(rows: NDArray[np.intp]) -> float:
        if not (response[rows] > 0.5).any():
            return NAN
        return float(np.mean([average_precision_score(response[rows], p[rows]) for p in by_seed]))

    value = statistic(np.arange(len(response)))
    return Estimate(value, *bootstrap(statistic, len(response), _SAMPLES_OF_CURVES))


def balanced_accuracy_estimate(response: Array, called: NDArray[np.bool_]) -> Estimate:
    """Compute (sensitivity + specificity) / 2 with a percentile bootstrap interval over patients.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        called: (seed, n) whether a patient is predicted to respond.

    Returns:
        The balanced accuracy from 0 to 1 with its interval; undefined where all patients are of
        one class.
    """
    positive = response > 0.5
    correct = np.where(positive, called, ~called).mean(axis=0)

    def statistic(rows: NDArray[np.intp]) -> float:
        sampled = positive[rows]
        if sampled.all() or not sampled.any():
            return NAN
        return float((correct[rows][sampled].mean() + correct[rows][~sampled].mean()) / 2)

    value = statistic(np.arange(len(response))) if len(response) else NAN
    if not np.isfinite(value):
        return undefined("one class only")
    return Estimate(value, *bootstrap(statistic, len(response), _SAMPLES))


def survival_slope(days: Array, died: Array, score: Array) -> Estimate:
    """Compute the calibration slope of a survival score, with a Wald interval; 1 is ideal.

    The slope is b in the Cox model h(t) = h0(t) exp(-b score).

    Args:
        days: (n,) days of survival or follow-up.
        died: (n,) 1 where the patient died on that day.
        score: (n,) negative log risk.

    Returns:
        The slope with its interval; undefined without deaths or with a constant score.
    """
    if not (died > 0.5).any():
        return undefined("no deaths with a known survival time")
    if np.ptp(score) < _CONSTANT:
        return undefined("the prediction is constant")
    return _wald(lambda beta: cox.stratum(-score[:, None], days, died, beta), 1)


class Concordance:
    """Harrell's C of survival scores, averaged over seeds.

    C = share of comparable pairs of one fold in which the patient who lived longer has the higher
    score; tied scores count half.

    Args:
        days: (n,) days of survival or follow-up.
        died: (n,) 1 where the patient died on that day.
        by_seed: (seed, n) scores, higher for longer survival.
        folds: (seed, n) fold of each patient.

    Example:
        >>> days, died = np.array([100.0, 200.0, 300.0]), np.ones(3)
        >>> one_fold = np.zeros((1, 3), int)
        >>> concordance = Concordance(days, died, np.array([[0.1, 0.6, 0.4]]), one_fold)
        >>> round(concordance.of(np.arange(3)), 3)
        0.667
    """

    def __init__(self, days: Array, died: Array, by_seed: Array, folds: NDArray[np.intp]) -> None:
        first = lived_longer(days, died)
        self.pairs = [first & (fold[:, None] == fold) for fold in folds]
        self.wins = [
            pairs * ((s[:, None] < s) + 0.5 * (s[:, None] == s))
            for pairs, s in zip(self.pairs, by_seed, strict=True)
        ]

    def of(self, rows: NDArray[np.intp]) -> float:
        """Compute C from the pairs of some patients.

        Args:
            rows: indices of patients; a patient may occur several times.

        Returns:
            C from 0 to 1; NaN where a seed has no comparable pair.
        """
        times = np.bincount(rows, minlength=self.pairs[0].shape[0]).astype(float)
        counted = [times @ pairs @ times for pairs in self.pairs]
        if min(counted) == 0:
            return NAN
        concordant = (times @ wins @ times for wins in self.wins)
        return float(np.mean([c / n for c, n in zip(concordant, counted, strict=True)]))


def c_index_estimate(days: Array, died: Array, by_seed: Array, folds: NDArray[np.intp]) -> Estimate:
    """Compute Harrell's C (see ``Concordance``) with a percentile bootstrap interval over patients.

    Args:
        days: (n,) days of survival or follow-up.
        died: (n,) 1 where the patient died on that day.
        by_seed: (seed, n) scores, higher for longer survival.
        folds: (seed, n) fold of each patient.

    Returns:
        C from 0 to 1 with its interval; undefined without deaths or comparable pairs.
    """
    if not (died > 0.5).any() or len(days) < 2:
        return undefined("no deaths with a known survival time")
    statistic = Concordance(days, died, by_seed, folds).of
    value = statistic(np.arange(len(days)))
    if not np.isfinite(value):
        return undefined("no comparable pair of patients")
    return Estimate(value, *bootstrap(statistic, len(days), _SAMPLES_OF_PAIRS))


def c_index_difference(
    days: Array,
    died: Array,
    first: tuple[Array, NDArray[np.intp]],
    second: tuple[Array, NDArray[np.intp]],
) -> Estimate:
    """Subtract the C-index of one model from that of another, with a paired bootstrap interval.

    Args:
        days: (n,) days of survival or follow-up.
        died: (n,) 1 where the patient died on that day.
        first: scores and folds of the first model, each (seed, n).
        second: scores and folds of the model that is subtracted, each (seed, n).

    Returns:
        The difference, from -1 to 1, with its interval; undefined without comparable pairs.
    """
    minuend = Concordance(days, died, *first)
    subtrahend = Concordance(days, died, *second)

    def statistic(rows: NDArray[np.intp]) -> float:
        return minuend.of(rows) - subtrahend.of(rows)

    value = statistic(np.arange(len(days)))
    if not np.isfinite(value):
        return undefined("no comparable pair of patients")
    return Estimate(value, *bootstrap(statistic, len(days), _SAMPLES_OF_PAIRS))


def calibration_estimates(response: Array, probability: Array) -> tuple[Estimate, Estimate]:
    """Compute the calibration slope and the calibration intercept, with Wald intervals.

    The slope is b in logit P(y) = a + b logit(p). The intercept (calibration in the large) is a in
    logit P(y) = a + logit(p).

    Args:
        response: (n,) 1 for responders, 0 for the others.
        probability: (n,) predicted probabilities; they are clipped to [1e-6, 1 - 1e-6].

    Returns:
        Slope and intercept, the latter in log odds; undefined where all patients are of one class.

    Reference:
        Cox 1958.

    Example:
        >>> _, intercept = calibration_estimates(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
        >>> abs(round(intercept.value, 6))
        0.0
    """
    if len(np.unique(response)) < 2:
        reason = "one class only"
        return undefined(reason), undefined(reason)
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones_like(logit)
    constant = ones[:, None]
    linear = np.column_stack([logit, ones])
    intercept = _wald(lambda beta: logistic.likelihood(constant, response, beta, logit), 1)
    if np.ptp(logit) < _CONSTANT:
        return undefined("the prediction is constant"), intercept
    return _wald(lambda beta: logistic.likelihood(linear, response, beta), 2), intercept


def _wald(likelihood: Callable[[Array], Likelihood], coefficients: int) -> Estimate:
    """Return the first coefficient of the maximum-likelihood fit with its Wald interval."""
    free = Penalty(np.zeros(coefficients), np.zeros(coefficients))
    try:
        (beta,), _ = maximise(lambda betas: [likelihood(b) for b in betas.values()], [free])
    except FlameError:
        return undefined("no finite fit: the groups are separated")
    assert beta is not None
    error = float(np.sqrt(np.linalg.inv(likelihood(beta).information)[0, 0]))
    value = float(beta[0])
    return Estimate(value, value - Z * error, value + Z * error)


def auc_difference(
    response: Array,
    first: tuple[Array, NDArray[np.intp]],
    second: tuple[Array, NDArray[np.intp]],
) -> Estimate:
    """Subtract the AUC of one model from that of another, with a paired bootstrap interval.

    Args:
        response: (n,) 1 for responders, 0 for the others.
        first: predictions and folds of the first model, each (seed, n).
        second: predictions and folds of the model that is subtracted, each (seed, n).

    Returns:
        The difference, from -1 to 1, with its interval; undefined where no fold has both classes.
    """
    if len(np.unique(response)) < 2:
        return undefined("one class only")

    def statistic(rows: NDArray[np.intp]) -> float:
        values = [mean_auc(response[rows], p[:, rows], f[:, rows]) for p, f in (first, second)]
        return values[0] - values[1]

    value = statistic(np.arange(len(response)))
    if not np.isfinite(value):
        return undefined("no fold holds both responders and non-responders")
    return Estimate(value, *bootstrap(statistic, len(response), _SAMPLES_OF_PAIRS))

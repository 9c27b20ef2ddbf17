"""A mixture over parameter sets, learned by several centres as if their patients were pooled.

Expectation maximisation (EM) needs only sums over patients. Sums over centres therefore give
exactly the pooled mixture, and no patient data leave a centre. A set is a pair of growth parameters
with a radiosensitivity alpha. In each group of MGMT promoter methylation, alpha is log-normal. The
efficacy of an ion is the factor on its recorded RBE-weighted dose. It is learned from the same sums
and shrunk towards 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.core.treatment import Radiation

Array = NDArray[np.float64]

GROUPS = 3
"""Number of groups: unmethylated, methylated, unknown."""
EFFICACIES = (0.7, 1.0, 1 / 0.7)
"""Efficacies that are compared for each ion."""
SHRINKAGE = 0.25
"""Prior standard deviation of the log efficacy of an ion."""
DISCOUNT = 5.0
"""Divisor of the log likelihood of an efficacy, as masks of one patient are not independent and the
sets are few.
"""
STRONG = 20.0
"""Bayes factor above which an effect is accepted (Kass 1995,
doi:10.1080/01621459.1995.10476572).
"""
_STEPS = 60
"""Largest number of EM steps."""
_CONVERGED = 1e-3
"""Largest change of a weight below which EM has converged."""
_BORROWED = 2.0
"""Number of patients as which the distribution of alpha over all groups counts in each group."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Learned mixture.

    Args:
        weights: probability of each set (group, set); it sums to 1 in each group.
        efficacy: factor on the RBE-weighted dose of each ion.
    """

    weights: Array = field(default_factory=lambda: np.empty((GROUPS, 0)))
    efficacy: Mapping[Radiation, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trial:
    """Mixture whose likelihood is queried.

    Args:
        efficacy: factor on the RBE-weighted dose of each ion.
        weights: probability of each set (group, set); None: uniform.
    """

    efficacy: Mapping[Radiation, float]
    weights: Array | None = None


Send = Callable[[list[Trial]], list[list[Array]]]
"""Sends trials to every centre and returns each centre's replies, in the order of the trials."""


def posterior(log_likelihoods: Array, weights: Array) -> Array:
    """Compute the posterior probability of each set: prior times likelihood, normalised.

    Args:
        log_likelihoods: log likelihood (patient, set).
        weights: prior probability (patient, set).

    Returns:
        Probability (patient, set), which sums to 1 for each patient.

    Example:
        >>> posterior(np.log([[1.0, 3.0]]), np.array([[0.5, 0.5]])).round(6)
        array([[0.25, 0.75]])
    """
    joint = np.log(np.maximum(weights, 1e-300)) + log_likelihoods
    return np.asarray(np.exp(joint - logsumexp(joint, axis=-1, keepdims=True)))


def reply(log_likelihoods: Array, groups: NDArray[np.intp], trial: Trial) -> Array:
    """Compute a centre's reply: the sums over its patients that an EM step needs.

    Args:
        log_likelihoods: log likelihood (patient, set).
        groups: MGMT group of each patient (patient,).
        trial: mixture to evaluate.

    Returns:
        Sums (group, set + 1): posterior probabilities, and in the last column log marginal
        likelihoods.

    Example:
        >>> reply(np.log([[1.0, 3.0]]), np.array([0]), Trial({}))[0].round(4)  # log(2)
        array([0.25  , 0.75  , 0.6931])
    """
    sets = log_likelihoods.shape[1]
    weights = np.full((GROUPS, sets), 1 / sets) if trial.weights is None else trial.weights
    prior = weights[groups]
    marginal = logsumexp(np.log(np.maximum(prior, 1e-300)) + log_likelihoods, axis=1)
    rows = np.column_stack([posterior(log_likelihoods, prior), marginal])
    return np.array([rows[groups == g].sum(axis=0) for g in range(GROUPS)])


def step(replies: list[Array], alphas: int) -> tuple[Array, float]:
    """Take one EM step over all centres.

    The probability of a set is that of its pair times that of its alpha given the group. The
    probabilities of pairs are free, and alpha is log-normal. If all sets were free, the mixture
    would explain the effect of a radiation by differences between patients.

    Args:
        replies: sums of each centre, from ``reply``.
        alphas: number of alphas for each pair.

    Returns:
        New weights (group, set), and the log likelihood before the step.
    """
    total = np.sum(np.array(replies), axis=0)
    counts = total[:, :-1].reshape(GROUPS, -1, alphas)
    pairs = counts.sum(axis=(0, 2)) + 0.5 / counts.shape[1]
    pairs /= pairs.sum()
    all_groups = counts.sum(axis=(0, 1)) / counts.sum()
    weights = []
    for by_alpha in counts.sum(axis=1):
        share = (by_alpha + _BORROWED * all_groups) / (by_alpha.sum() + _BORROWED)
        weights.append(np.outer(pairs, _log_normal(share)).ravel())
    return np.array(weights), float(total[:, -1].sum())


def _log_normal(share: Array) -> Array:
    """Return the log-normal distribution of the same mean and variance on a geometric grid."""
    index = np.arange(len(share))
    mean = float(share @ index)
    variance = max(float(share @ (index - mean) ** 2), 0.5)
    density = np.exp(-((index - mean) ** 2) / (2 * variance))
    return np.asarray(density / density.sum())


def converged(send: Send, trials: list[Trial], alphas: int) -> tuple[list[Trial], list[float]]:
    """Repeat EM steps until the weights converge.

    Args:
        send: sends trials to the centres.
        trials: mixtures to start from.
        alphas: number of alphas for each pair.

    Returns:
        Trials after the last step, and their log likelihoods before it.
    """
    totals = [0.0] * len(trials)
    for _ in range(_STEPS):
        by_centre = send(trials)
        updated = []
        change = 0.0
        for n, trial in enumerate(trials):
            weights, totals[n] = step([centre[n] for centre in by_centre], alphas)
            uniform = np.full_like(weights, 1 / weights.shape[1])
            before = uniform if trial.weights is None else trial.weights
            change = max(change, float(np.abs(weights - before).max()))
            updated.append(Trial(trial.efficacy, weights))
        trials = updated
        if change < _CONVERGED:
            break
    return trials, totals


def learned(send: Send, alphas: int) -> Mixture:
    """Learn the efficacy of each ion in turn, then the mixture.

    Args:
        send: sends trials to the centres.
        alphas: number of alphas for each pair.

    Returns:
        Learned mixture, with the efficacy of protons and carbon ions.
    """
    efficacy: dict[Radiation, float] = {}
    start: Array | None = None
    for radiation in (Radiation.PROTON, Radiation.CARBON):
        trials = [Trial({**efficacy, radiation: e}, start) for e in EFFICACIES]
        trials, totals = converged(send, trials, alphas)
        efficacy[radiation] = shrunken(np.array(totals))
        start = trials[len(trials) // 2].weights
    (last,), _ = converged(send, [Trial(efficacy, start)], alphas)
    assert last.weights is not None
    return Mixture(last.weights, efficacy)


def shrunken(totals: Array) -> float:
    """Estimate the efficacy of an ion from the log likelihoods of EFFICACIES.

    Half of the prior lies on 1, and half is normal in the logarithm. The efficacy is 1 unless the
    discounted evidence for another value is strong. Otherwise it is the posterior mean of the
    normal half, on the log scale.

    Args:
        totals: log likelihood (efficacy,) summed over all patients.

    Returns:
        Factor on the RBE-weighted dose of the ion.

    Example:
        >>> shrunken(np.zeros(3))  # no evidence
        1.0
    """
    log_efficacies = np.log(EFFICACIES)
    evidence = (totals - totals.max()) / DISCOUNT
    prior = np.exp(-0.5 * (log_efficacies / SHRINKAGE) ** 2)
    joint = prior / prior.sum() * np.exp(evidence)
    without_effect = float(np.exp(evidence[np.argmin(np.abs(log_efficacies))]))
    if joint.sum() <= STRONG * without_effect:
        return 1.0
    return float(np.exp(np.average(log_efficacies, weights=joint)))

"""A mixture over parameter sets that several centres learn as if their patients were pooled.

Expectation maximisation: what a centre adds to a step is a sum over its patients, so sums over
centres give exactly the pooled mixture, and no patient leaves a centre. Sets are pairs of growth
parameters, each with all radiosensitivities; these are log-normal in each group of MGMT promoter
methylation. The ions' effect over their recorded RBE-weighted dose, ``efficacy``, is learned by the
same sums, shrunk towards 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.core.treatment import Radiation

Array = NDArray[np.float64]

GROUPS = 3
"""Unmethylated, methylated, unknown."""
EFFICACIES = (0.7, 1.0, 1 / 0.7)
SHRINKAGE = 0.25
"""Prior standard deviation of the log efficacy of a radiation."""
DISCOUNT, STRONG = 5.0, 20.0
"""How much less a log likelihood says of an efficacy than it seems to, as masks of one patient are
not independent and the sets are few; and the Bayes factor from which an effect is believed (Kass
1995, doi:10.1080/01621459.1995.10476572)."""
_STEPS, _CONVERGED = 60, 1e-3
_BORROWED = 2.0
"""Patients of all groups that each group counts beside its own."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """``weights`` (group, set) sum to 1 in each group; ``efficacy`` of each ion."""

    weights: Array = field(default_factory=lambda: np.empty((GROUPS, 0)))
    efficacy: Mapping[Radiation, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trial:
    """A mixture whose fit is asked for; ``weights`` None stands for an even one."""

    efficacy: Mapping[Radiation, float]
    weights: Array | None = None


Ask = Callable[[list[Trial]], list[list[Array]]]
"""Puts trials to every centre; each centre's answers, in the order of the trials."""


def posterior(log_likelihoods: Array, weights: Array) -> Array:
    """Weights of the sets for each patient (patient, set), given the prior's for each."""
    joint = np.log(np.maximum(weights, 1e-300)) + log_likelihoods
    return np.asarray(np.exp(joint - logsumexp(joint, axis=-1, keepdims=True)))


def answer(log_likelihoods: Array, groups: NDArray[np.intp], trial: Trial) -> Array:
    """Sums over the patients of one centre, from their log likelihoods (patient, set).

    Posterior of each set by group, and in a last column the log marginal likelihood.
    """
    sets = log_likelihoods.shape[1]
    weights = np.full((GROUPS, sets), 1 / sets) if trial.weights is None else trial.weights
    prior = weights[groups]
    marginal = logsumexp(np.log(np.maximum(prior, 1e-300)) + log_likelihoods, axis=1)
    rows = np.column_stack([posterior(log_likelihoods, prior), marginal])
    return np.array([rows[groups == g].sum(axis=0) for g in range(GROUPS)])


def step(answers: list[Array], alphas: int) -> tuple[Array, float]:
    """Weights after one step of the EM over all centres, and the log likelihood before it.

    Free over the pairs, log-normal over the radiosensitivities, and the two independent: a mixture
    free over all sets would explain the effect of a radiation by other patients.
    """
    total = np.sum(np.array(answers), axis=0)
    counts = total[:, :-1].reshape(GROUPS, -1, alphas)
    pairs = counts.sum(axis=(0, 2)) + 0.5 / counts.shape[1]
    pairs /= pairs.sum()
    everybody = counts.sum(axis=(0, 1)) / counts.sum()
    found = []
    for own in counts.sum(axis=1):
        share = (own + _BORROWED * everybody) / (own.sum() + _BORROWED)
        found.append(np.outer(pairs, _log_normal(share)).ravel())
    return np.array(found), float(total[:, -1].sum())


def _log_normal(share: Array) -> Array:
    """The log-normal of the same mean and spread over a geometric grid."""
    index = np.arange(len(share))
    mean = float(share @ index)
    variance = max(float(share @ (index - mean) ** 2), 0.5)
    density = np.exp(-((index - mean) ** 2) / (2 * variance))
    return np.asarray(density / density.sum())


def converged(ask: Ask, trials: list[Trial], alphas: int) -> tuple[list[Trial], list[float]]:
    """Trials after as many steps as change them, and their log likelihoods."""
    totals = [0.0] * len(trials)
    for _ in range(_STEPS):
        by_centre = ask(trials)
        moved, change = [], 0.0
        for n, trial in enumerate(trials):
            weights, totals[n] = step([centre[n] for centre in by_centre], alphas)
            before = np.full_like(weights, 1 / weights.shape[1])
            before = before if trial.weights is None else trial.weights
            change = max(change, float(np.abs(weights - before).max()))
            moved.append(Trial(trial.efficacy, weights))
        trials = moved
        if change < _CONVERGED:
            break
    return trials, totals


def learned(ask: Ask, alphas: int) -> Mixture:
    """The efficacy of each ion, one after the other, and the mixture."""
    efficacy: dict[Radiation, float] = {}
    start: Array | None = None
    for radiation in (Radiation.PROTON, Radiation.CARBON):
        trials = [Trial({**efficacy, radiation: e}, start) for e in EFFICACIES]
        trials, totals = converged(ask, trials, alphas)
        efficacy[radiation] = shrunken(np.array(totals))
        start = trials[len(trials) // 2].weights
    (last,), _ = converged(ask, [Trial(efficacy, start)], alphas)
    assert last.weights is not None
    return Mixture(last.weights, efficacy)


def shrunken(totals: Array) -> float:
    """Efficacy of a radiation from the summed log likelihoods by EFFICACIES.

    Half of the prior lies on 1, half is normal in the logarithm. It is 1 unless the discounted
    evidence for another is strong, else the posterior mean of the others.
    """
    steps, evidence = np.log(EFFICACIES), (totals - totals.max()) / DISCOUNT
    prior = np.exp(-0.5 * (steps / SHRINKAGE) ** 2)
    joint = prior / prior.sum() * np.exp(evidence)
    if joint.sum() <= STRONG * float(np.exp(evidence[np.argmin(np.abs(steps))])):
        return 1.0
    return float(np.exp(np.average(steps, weights=joint)))

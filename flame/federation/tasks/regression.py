"""Regressions learned from sums alone; their coefficients are exactly those of pooled patients."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from itertools import product
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput, FlameError, Refusal
from flame.federation.config import TrainConfig
from flame.federation.folds import fold_of
from flame.federation.task import Message, Query, SendQuery, Shared, Task
from flame.federation.tasks.moments_check import check_moments
from flame.models.regression.newton import MOST_STEPS, Likelihood, Penalty, maximise
from flame.models.response.inputs import Inputs
from flame.preprocessing.harmonisation.standardisation import Moments, merge, standardise, summarise

Array = NDArray[np.float64]

PENALIZERS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Candidates of the penalty, from which cross-validation within the training patients chooses."""
_FEW = (
    "a site sends no sums at the coefficients of this penalty, because fewer patients than "
    "privacy.least_patients make them up in effect; use fewer features or a larger penalty"
)
EVERYONE = -1
"""Number of an inner fold that holds out nobody: sums are over all training patients."""


class Regression(Task[Any]):
    """Base of the regressions that are learned by Newton's method from sums of centres.

    The coefficients b maximise l(b) - 1/2 sum_j w_j (b_j - prior_j)^2, where l is the sum of the
    log likelihoods of all centres, w is ``penalty``, and the prior is 0 or the model to continue
    from. See ``LogisticTask`` and ``SurvivalTask``.

    ``shared`` holds the moments of the features, the coefficients ``beta`` (p,) of the standardised
    features, the ``penalizer``, the number of ``patients``, and ``queried``, that of queries for
    sums. ``information`` (p, p) is the negative Hessian of the log likelihood at ``beta``, without
    the penalty; NaN if a site does not send it. There are no rounds.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.settings = config.regression

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """Build the design matrix.

        Args:
            patients: n patients.
            shared: arrays that all sites share, with the moments of the features.

        Returns:
            Design matrix (n, p), a column per coefficient.
        """
        raise NotImplementedError

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Any:
        """Compute sums over patients, which add up over centres.

        Args:
            patients: n patients of one centre.
            x: their design matrix (n, p).
            beta: coefficients (p,).
            common: the return value of ``before``.

        Returns:
            A dataclass of sums, which can be added to those of other centres.
        """
        raise NotImplementedError

    def likelihood(self, total: Any, beta: Array) -> Likelihood:
        """Compute the likelihood from the sums over all patients.

        Args:
            total: the return value of the method ``total``.
            beta: coefficients (p,) at which the sums were computed.

        Returns:
            Log likelihood of all patients at ``beta``, with its derivatives.
        """
        raise NotImplementedError

    def total(self, replies: list[Message]) -> Any:
        """Add the sums of all sites.

        Args:
            replies: the fields of the sums of each site, by name.

        Returns:
            The sums over the patients of all sites.
        """
        raise NotImplementedError

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Return the weight of the penalty on each coefficient.

        Args:
            penalizer: the penalty per patient.
            patients: number of training patients.
            shared: arrays that all sites share.

        Returns:
            Weights (p,).
        """
        raise NotImplementedError

    def before(self, send: SendQuery, shared: Shared) -> Message:
        """Query the sites for what every later query for sums needs.

        Args:
            send: sends queries to the sites.
            shared: arrays that all sites share.

        Returns:
            Argument ``common`` of ``sums``; empty by default.
        """
        return {}

    def reply(self, patients: list[Any], query: Query) -> Message:
        """Reply with moments, counts of the inner folds, or sums at given coefficients."""
        labelled = [p.take(p.labelled) for p in patients]
        if query.name == "moments":
            return asdict(merge([summarise(p.features) for p in labelled]))
        folds = [fold_of(p, 0, self.settings.inner_folds, "penalty ") for p in labelled]
        self._check_fold_sizes(labelled, folds)
        if query.name == "counts":
            counts = [np.bincount(f, minlength=self.settings.inner_folds) for f in folds]
            return {"patients": np.sum(counts, axis=0)}
        if query.name == "sums":
            self._check_sums(query, labelled)
            pairs = zip(query.parameters["out"], query.parameters["beta"], strict=True)
            sums = [self._sums_without(labelled, folds, query, fold, beta) for fold, beta in pairs]
            return {"sums": sums}
        return super().reply(patients, query)

    def _check_sums(self, query: Query, patients: list[Any]) -> None:
        """Raise Refusal unless the parameters of a query for sums are of the kinds that it needs.

        An array in the place of a fold, or moments for each patient, would choose patients.
        """
        parameters = query.parameters
        folds = range(EVERYONE, self.settings.inner_folds)
        if set(parameters) != {"out", "beta", "common"} or not all(
            type(fold) is int and fold in folds for fold in parameters["out"]
        ):
            raise Refusal("replies to 'sums' for its inner folds only")
        check_moments(query.shared, patients[0].features.shape[1])
        width = self.design(patients[0].take(np.arange(1)), query.shared).shape[1]
        for beta in parameters["beta"]:
            array = np.asarray(beta)
            if array.shape != (width,) or array.dtype.kind != "f" or not np.isfinite(array).all():
                raise Refusal("replies to 'sums' at one finite number for each coefficient only")

    def _sums_without(
        self,
        patients: list[Any],
        folds: list[NDArray[np.intp]],
        query: Query,
        fold: int,
        beta: Array,
    ) -> Message:
        """Return sums over the training patients outside the inner fold ``fold``, at ``beta``.

        They are empty where they would be about few patients in effect.
        """
        common = query.parameters["common"]
        by_centre = [
            self._sums(p.take(np.flatnonzero(f != fold)), query.shared, beta, common)
            for p, f in zip(patients, folds, strict=True)
        ]
        return {} if any(s is None for s in by_centre) else asdict(reduce(add, by_centre))

    def _check_fold_sizes(self, patients: list[Any], folds: list[NDArray[np.intp]]) -> None:
        """Check that every inner fold is large enough, as two sums reveal the sum of a fold."""
        least = self.config.privacy.least_patients
        if least == 1 or self.settings.penalizer is not None:
            return
        for centre, fold in zip(patients, folds, strict=True):
            sizes = np.bincount(fold, minlength=self.settings.inner_folds)
            if min(sizes.min(), len(fold) - sizes.max()) < least:
                raise BadInput(
                    f"centre {centre.centre}: an inner fold has fewer patients than "
                    f"privacy.least_patients = {least}; set regression.penalizer, or lower "
                    "regression.inner_folds"
                )

    def _sums(self, patients: Inputs, shared: Shared, beta: Any, common: Message) -> Any:
        x = self.design(patients, shared)
        beta = np.asarray(beta)
        few = self._is_about_few(patients, x, beta)
        return None if few else self.sums(patients, x, beta, common)

    def influence(self, patients: Inputs, x: Array, beta: Array) -> list[Array]:
        """Return how much each patient weighs in the sums.

        Args:
            patients: n patients of one centre.
            x: their design matrix (n, p).
            beta: coefficients (p,).

        Returns:
            Weights (n,), not negative, one array for each kind of sum.
        """
        raise NotImplementedError

    def _is_about_few(self, patients: Inputs, x: Array, beta: Array) -> bool:
        """Return whether few patients make up the sums, as at coefficients chosen for it."""
        least = self.config.privacy.least_patients
        weights = self.influence(patients, x, beta) if least > 1 else []
        return not all(effective_number(w) >= least for w in weights)

    @property
    def most_sums(self) -> int:
        """Most coefficients of one training at which sums are queried."""
        inner = 0 if self.settings.penalizer is not None else self.settings.inner_folds
        problems = len(PENALIZERS) * inner
        return (problems + 1) * (MOST_STEPS + 1) + 2 * problems + 1

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Merge the moments, choose the penalty, and fit the coefficients by Newton's method.

        Args:
            send: sends queries to the sites.
            start: ``shared`` of the model to continue from: its moments are reused, and
                coefficients are shrunk towards its coefficients. Empty: coefficients are shrunk
                towards 0.

        Returns:
            ``shared``, see the class.

        Raises:
            FlameError: the likelihood has no finite maximum.
        """
        shared = {name: start[name] for name in ("count", "mean", "sum_sq_dev") if start}
        shared = shared or asdict(merge([Moments(**reply) for reply in send("moments", {})]))
        counts = np.sum([reply["patients"] for reply in send("counts", {})], axis=0)
        common = self.before(send, shared)
        queried = 0

        def likelihoods(folds: Sequence[int], betas: Sequence[Array]) -> list[Likelihood | None]:
            nonlocal queried
            queried += 1
            arguments = {"out": list(folds), "beta": list(betas), "common": common}
            replies = [reply["sums"] for reply in send("sums", arguments, shared=shared)]
            return [self._together([r[i] for r in replies], beta) for i, beta in enumerate(betas)]

        def fit(problems: list[tuple[float, int]], all_finite: bool = True) -> list[Array | None]:
            penalties = []
            for penalizer, fold in problems:
                patients = counts.sum() - (0 if fold == EVERYONE else counts[fold])
                weight = self.penalty(penalizer, float(patients), shared)
                penalties.append(Penalty(weight, start.get("beta", np.zeros(len(weight)))))
            return maximise(
                lambda betas: likelihoods([problems[i][1] for i in betas], list(betas.values())),
                penalties,
                all_finite,
            )[0]

        penalizer = self.settings.penalizer
        if penalizer is None:
            penalizer = self._choose_penalizer(fit, likelihoods)
        (beta,) = fit([(penalizer, EVERYONE)])
        if beta is None:
            raise FlameError(_FEW)
        (at,) = likelihoods([EVERYONE], [beta])
        return {
            **shared,
            "beta": beta,
            "queried": np.array(queried),
            "penalizer": np.array(penalizer),
            "patients": np.array(float(counts.sum())),
            "information": np.full((len(beta),) * 2, np.nan) if at is None else at.information,
        }

    def _choose_penalizer(self, fit: Any, likelihoods: Any) -> float:
        """Choose the penalizer with the highest cross-validated likelihood.

        The contribution of a fold is the likelihood of all patients minus that of the other folds,
        both at the coefficients of the other folds. A penalizer under which the likelihood of some
        folds has no finite maximum is not chosen.

        Reference:
            Verweij 1993, doi:10.1002/sim.4780122407.
        """
        folds = range(self.settings.inner_folds)
        fitted = {}
        each = fit(list(product(PENALIZERS, folds)), all_finite=False)
        for number, penalizer in enumerate(PENALIZERS):
            betas = each[number * len(folds) :][: len(folds)]
            if all(beta is not None for beta in betas):
                fitted[penalizer] = betas
        betas = [beta for of_one in fitted.values() for beta in of_one]
        whole = likelihoods([EVERYONE] * len(betas), betas)
        rest = likelihoods([*folds] * len(fitted), betas)
        gains = [
            -np.inf if a is None or b is None else a.value - b.value
            for a, b in zip(whole, rest, strict=True)
        ]
        totals = np.reshape(gains, (len(fitted), len(folds))).sum(axis=1)
        if not np.isfinite(totals).any():
            raise FlameError(_FEW)
        return list(fitted)[int(np.argmax(totals))]

    def _together(self, replies: list[Message], beta: Array) -> Likelihood | None:
        """Return the likelihood of all sites; None if a site sends no sums at ``beta``."""
        if not all(replies):
            return None
        return self.likelihood(self.total(replies), beta)


def effective_number(weights: Array) -> float:
    """Compute how many patients of equal weight have as unequal a sum: (sum w)^2 / sum w^2.

    Args:
        weights: weights (n,), not negative.

    Returns:
        Number from 1 to n; 0 if all weights are 0 or one is not finite.

    Reference:
        Kish 1965, Survey Sampling, section 11.7 (effective sample size).

    Example:
        >>> effective_number(np.ones(7)), effective_number(np.array([1.0, 0.0, 0.0]))
        (7.0, 1.0)
    """
    largest = np.max(weights, initial=0.0)
    if not 0 < largest < np.inf:
        return 0.0
    shares = weights / largest
    return float(shares.sum() ** 2 / (shares**2).sum())


def standardised(patients: Inputs, shared: Shared) -> Array:
    """Standardise features.

    Args:
        patients: n patients.
        shared: the moments of the features over all centres.

    Returns:
        Z-scores (n, p); missing values and constant features are 0, the mean.
    """
    moments = Moments(shared["count"], shared["mean"], shared["sum_sq_dev"])
    return standardise(patients.features, moments)

"""Regressions whose coefficients are exactly those of pooled patients, learned from sums alone."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.folds import fold_of
from flame.federation.task import Message, Query, SendQuery, Shared, Task
from flame.models.regression.newton import Likelihood, Penalty, maximise
from flame.models.response.inputs import Inputs
from flame.preprocessing.harmonisation.standardisation import Moments, merge, standardise, summarise

Array = NDArray[np.float64]

PENALIZERS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Among which cross-validation within the training patients chooses."""
EVERYONE = -1


class Regression(Task[Any]):
    """What regressions share; see ``LogisticTask`` and ``SurvivalTask``.

    ``shared`` are the moments of the features, the coefficients ``beta`` of the standardised ones,
    the ``penalizer`` and how often sites were ``queried``. Nothing is learned in rounds.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.settings = config.regression

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """Columns (n, p) that have a coefficient each."""
        raise NotImplementedError

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Any:
        """Sums over patients, which add up over centres; ``common`` is from ``before``."""
        raise NotImplementedError

    def likelihood(self, total: Any, beta: Array) -> Likelihood:
        """The likelihood from sums over everyone."""
        raise NotImplementedError

    def total(self, replies: list[Message]) -> Any:
        """Sums as sites sent them, added."""
        raise NotImplementedError

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Weight (p,) of the penalty on each coefficient of that many patients."""
        raise NotImplementedError

    def before(self, send: SendQuery, shared: Shared) -> Message:
        """What is sent with every query."""
        return {}

    def reply(self, patients: list[Any], query: Query) -> Message:
        """Moments, counts, or sums at the coefficients given."""
        known = [p.take(p.labelled) for p in patients]
        if query.question == "moments":
            return asdict(merge([summarise(p.features) for p in known]))
        folds = [fold_of(p, 0, self.settings.inner_folds, "penalty ") for p in known]
        self._enough(known, folds)
        if query.question == "counts":
            counts = [np.bincount(f, minlength=self.settings.inner_folds) for f in folds]
            return {"patients": np.sum(counts, axis=0)}
        if query.question == "sums":
            pairs = zip(query.given["out"], query.given["beta"], strict=True)
            return {"sums": [self._without(known, folds, query, out, beta) for out, beta in pairs]}
        raise self.unknown(query)

    def _without(
        self, known: list[Any], folds: list[NDArray[np.intp]], query: Query, out: int, beta: Array
    ) -> Message:
        """Sums over everyone but the inner fold ``out``, at the coefficients ``beta`` (p,)."""
        each = [
            self._sums(p.take(np.flatnonzero(f != out)), query.shared, beta, query.given["common"])
            for p, f in zip(known, folds, strict=True)
        ]
        return asdict(reduce(add, each))

    def _enough(self, patients: list[Any], folds: list[NDArray[np.intp]]) -> None:
        """Everyone's sums less those without a fold are those of the fold: it must be enough."""
        least = self.config.privacy.least_patients
        if least == 1 or self.settings.penalizer is not None:
            return
        for centre, fold in zip(patients, folds, strict=True):
            sizes = np.bincount(fold, minlength=self.settings.inner_folds)
            if min(sizes.min(), len(fold) - sizes.max()) < least:
                raise BadInput(
                    f"centre {centre.centre}: an inner fold has fewer patients than "
                    f"privacy.least_patients = {least}; give regression.penalizer, or fewer "
                    "inner_folds"
                )

    def _sums(self, patients: Inputs, shared: Shared, beta: Any, common: Message) -> Any:
        return self.sums(patients, self.design(patients, shared), np.asarray(beta), common)

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Moments over all centres, the penalty, then the coefficients by Newton's method.

        A model to ``start`` from gives its moments, and coefficients that are drawn towards its.
        """
        shared = {name: start[name] for name in ("count", "mean", "sum_sq_dev") if start}
        shared = shared or asdict(merge([Moments(**reply) for reply in send("moments", {})]))
        counts = np.sum([reply["patients"] for reply in send("counts", {})], axis=0)
        common, queried = self.before(send, shared), 0

        def sums_of(out: Sequence[int], betas: Sequence[Array]) -> list[Likelihood]:
            nonlocal queried
            queried += 1
            given = {"out": list(out), "beta": list(betas), "common": common}
            replies = [reply["sums"] for reply in send("sums", given, shared=shared)]
            totals = [self.total([r[i] for r in replies]) for i in range(len(betas))]
            return [self.likelihood(t, beta) for t, beta in zip(totals, betas, strict=True)]

        def best(problems: list[tuple[float, int]]) -> list[Array]:
            penalties = []
            for penalizer, out in problems:
                patients = counts.sum() - (0 if out == EVERYONE else counts[out])
                weight = self.penalty(penalizer, float(patients), shared)
                penalties.append(Penalty(weight, start.get("beta", np.zeros(len(weight)))))
            return maximise(
                lambda at: sums_of([problems[i][1] for i in at], list(at.values())), penalties
            )[0]

        penalizer = self.settings.penalizer
        if penalizer is None:
            penalizer = self._chosen(best, sums_of)
        (beta,) = best([(penalizer, EVERYONE)])
        found = {"beta": beta, "queried": np.array(queried), "penalizer": np.array(penalizer)}
        return {**shared, **found}

    def _chosen(self, best: Any, sums_of: Any) -> float:
        """The penalizer of the highest cross-validated likelihood (Verweij 1993).

        That of a fold is the likelihood of everyone less that of everyone else, at coefficients
        that everyone else gave (doi:10.1002/sim.4780122407).
        """
        folds = range(self.settings.inner_folds)
        problems = [(penalizer, out) for penalizer in PENALIZERS for out in folds]
        betas = best(problems)
        whole = sums_of([EVERYONE] * len(betas), betas)
        rest = sums_of([out for _, out in problems], betas)
        gains = np.array([a.value - b.value for a, b in zip(whole, rest, strict=True)])
        return PENALIZERS[int(np.argmax(gains.reshape(len(PENALIZERS), -1).sum(axis=1)))]


def standardised(patients: Inputs, shared: Shared) -> Array:
    """Features (n, p) as z-scores; what is missing is at the mean."""
    moments = Moments(shared["count"], shared["mean"], shared["sum_sq_dev"])
    return standardise(patients.features, moments)

"""Survival: a Cox model whose coefficients are exactly those of pooled patients, from sums."""

from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.errors import BadInput, FlameError
from flame.core.scores import Weights
from flame.federation.config import TrainConfig
from flame.federation.task import TASKS, Ask, Message, Shared
from flame.models.cox import Powers, RiskSums, death_times, likelihood, risk_sums
from flame.models.inputs import Followed, followed
from flame.models.newton import Likelihood, maximise
from flame.preprocessing.standardisation import Moments, merge, standardise, summarise

Array = NDArray[np.float64]


@TASKS.register("survival")
class SurvivalTask:
    """See ``flame.models.cox``.

    ``shared`` are the moments of the features, the coefficients ``beta`` of the standardised ones
    and how often sites were ``asked``. Nothing is learned in rounds.
    """

    rounds = calibration = 0

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def patients(self, cohort: Cohort) -> Followed:
        """Arrays of all patients."""
        return followed(cohort, self.config.model)

    def initial_weights(self, patients: Followed, seed: int) -> Weights:
        """None: what is learned is in ``shared``."""
        return []

    def train(
        self,
        patients: list[Followed],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
    ) -> tuple[Weights, float]:
        """Never asked for."""
        raise FlameError("a Cox model is learned from sums, not in rounds")

    def answer(
        self,
        patients: list[Followed],
        question: str,
        given: Message,
        weights: Weights,
        shared: Shared,
    ) -> Message:
        """Moments, or sums of the partial likelihood at the coefficients given."""
        known = [p.take(p.labelled) for p in patients]
        if question == "moments":
            return asdict(merge([summarise(p.features) for p in known]))
        if question == "followed":
            return {"patients": sum(len(p.pseudonyms) for p in known)}
        if question == "times":
            return {"times": np.unique(np.concatenate([_times(p) for p in known]))}
        if question == "stratum":
            strata = [_stratum(p, shared, np.asarray(given["beta"])) for p in known]
            return asdict(reduce(add, strata))
        if question == "risk":
            at = np.asarray(given["beta"]), np.asarray(given["times"])
            sums = [_sums(p, shared, *at) for p in known]
            return asdict(reduce(add, sums))
        raise BadInput(f"a site was asked for '{question}', which it does not answer")

    def prepare(self, ask: Ask) -> Shared:
        """Moments over all centres, then the coefficients by Newton's method."""
        shared = asdict(merge([Moments(**answer) for answer in ask("moments", {})]))
        patients = sum(answer["patients"] for answer in ask("followed", {}))
        # The penalty is that of lifelines, on features divided by their unbiased deviation.
        weight = self.config.survival.penalizer * patients * patients / max(patients - 1, 1)
        together = self._stratified if self.config.survival.stratified else self._at_risk_together
        penalty = np.full(len(shared["mean"]), weight)
        beta, asked = maximise(together(ask, shared), penalty)
        return {**shared, "beta": beta, "asked": np.array(asked)}

    def finish(self, ask: Ask, weights: Weights, shared: Shared) -> Shared:
        """Nothing is added."""
        return shared

    def predict(self, patients: Followed, weights: Weights, shared: Shared) -> Array:
        """Score (n,) of each patient, the higher the longer alive: the negative log risk."""
        return np.asarray(-standardise(patients.features, _moments(shared)) @ shared["beta"])

    def _stratified(self, ask: Ask, shared: Shared) -> Any:
        def total(beta: Array) -> Likelihood:
            parts = [Likelihood(**a) for a in ask("stratum", {"beta": beta}, shared=shared)]
            return reduce(add, parts)

        return total

    def _at_risk_together(self, ask: Ask, shared: Shared) -> Any:
        times = np.unique(np.concatenate([answer["times"] for answer in ask("times", {})]))

        def total(beta: Array) -> Likelihood:
            given = {"beta": beta, "times": times}
            parts = [_risk(answer) for answer in ask("risk", given, shared=shared)]
            return likelihood(reduce(add, parts), beta)

        return total


def _moments(shared: Shared) -> Moments:
    return Moments(shared["count"], shared["mean"], shared["squares"])


def _times(patients: Followed) -> Array:
    return death_times(patients.survival_days, patients.died)


def _stratum(patients: Followed, shared: Shared, beta: Array) -> Likelihood:
    return likelihood(_sums(patients, shared, beta, _times(patients)), beta)


def _sums(patients: Followed, shared: Shared, beta: Array, times: Array) -> RiskSums:
    x = standardise(patients.features, _moments(shared))
    return risk_sums(x, patients.survival_days, patients.died, beta, times)


def _risk(answer: Message) -> RiskSums:
    powers = {name: Powers(**answer[name]) for name in ("at_risk", "dying")}
    return RiskSums(**{**answer, **powers})

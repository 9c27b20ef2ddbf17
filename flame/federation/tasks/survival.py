"""Survival: a Cox model whose coefficients are exactly those of pooled patients, from sums."""

from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.scores import Scored, Weights
from flame.federation.task import TASKS, Ask, Message, Shared
from flame.federation.tasks.regression import RegressionTask, standardised
from flame.models.regression.cox import (
    Powers,
    RiskSums,
    death_times,
    likelihood,
    risk_sums,
    stratum,
)
from flame.models.regression.discrimination import scored_c_index
from flame.models.regression.newton import Likelihood
from flame.models.response.inputs import Followed, Inputs, followed

Array = NDArray[np.float64]


@TASKS.register("survival")
class SurvivalTask(RegressionTask):
    """See ``flame.models.regression.cox``; ``penalizer`` is that of lifelines.

    Stratified by centre, sites send a likelihood with its derivatives; without strata they send
    their times of death and sums at everybody's.
    """

    def patients(self, cohort: Cohort) -> Followed:
        """Arrays of all patients."""
        return followed(cohort, self.config.model)

    def answer(
        self, patients: list[Any], question: str, given: Message, weights: Weights, shared: Shared
    ) -> Message:
        """As every regression, and times of death where all are at risk together."""
        if question == "times" and not self.settings.stratified:
            known = [p.take(p.labelled) for p in patients]
            return {"times": np.unique(np.concatenate([_times(p) for p in known]))}
        return super().answer(patients, question, given, weights, shared)

    def before(self, ask: Ask, shared: Shared) -> Message:
        """The times at which anybody died, where all are at risk together."""
        if self.settings.stratified:
            return {}
        answers = ask("times", {})
        return {"times": np.unique(np.concatenate([answer["times"] for answer in answers]))}

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """The standardised features."""
        return standardised(patients, shared)

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Any:
        """A likelihood of the centre alone, or sums over those at risk."""
        if self.settings.stratified:
            return stratum(x, patients.survival_days, patients.died, beta)
        times = np.asarray(common["times"])
        return risk_sums(x, patients.survival_days, patients.died, beta, times)

    def total(self, answers: list[Message]) -> Any:
        """Their sum."""
        made = Likelihood if self.settings.stratified else RiskSums
        return reduce(add, [made(**_nested(answer)) for answer in answers])

    def likelihood(self, answer: Any, beta: Array) -> Likelihood:
        """The sums themselves, or what follows from sums over those at risk."""
        return answer if self.settings.stratified else likelihood(answer, beta)

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """That of lifelines, on features divided by their unbiased deviation."""
        weight = penalizer * patients * patients / max(patients - 1, 1)
        return np.full(len(shared["mean"]), weight)

    def predict(self, patients: Followed, weights: Weights, shared: Shared) -> Array:
        """Score (n,) of each patient, the higher the longer alive: the negative log risk."""
        return np.asarray(-self.design(patients, shared) @ shared["beta"])

    def score(self, patients: Followed, weights: Weights, shared: Shared) -> Scored:
        """The C-index."""
        told = self.predict(patients, weights, shared)
        return scored_c_index(told, patients.survival_days, patients.died)


def _times(patients: Inputs) -> Array:
    return death_times(patients.survival_days, patients.died)


def _nested(answer: Message) -> Message:
    return {k: Powers(**v) if isinstance(v, dict) else v for k, v in answer.items()}

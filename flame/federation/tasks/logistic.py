"""Response by logistic regression, whose coefficients are exactly those of pooled patients."""

from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.core.cohort import Cohort
from flame.core.scores import Scored, Weights
from flame.federation.task import TASKS, Message, Shared
from flame.federation.tasks.regression import RegressionTask, standardised
from flame.models.regression.discrimination import scored_auc
from flame.models.regression.logistic import likelihood
from flame.models.regression.newton import Likelihood
from flame.models.response.inputs import Inputs, build_inputs

Array = NDArray[np.float64]

_CONSTANT = 1e-8


@TASKS.register("logistic")
class LogisticTask(RegressionTask):
    """See ``flame.models.regression.logistic``.

    The first coefficient is the constant, without a penalty.

    ``penalizer`` times the number of patients is 1 / C of scikit-learn.
    """

    def patients(self, cohort: Cohort) -> Inputs:
        """Arrays of all patients."""
        return build_inputs(cohort, self.config.model)

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """A constant and the standardised features."""
        x = standardised(patients, shared)
        return np.column_stack([np.ones(len(x)), x])

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Likelihood:
        """Likelihood, gradient and Hessian of the patients of a centre."""
        return likelihood(x, patients.response.astype(float), beta)

    def total(self, answers: list[Message]) -> Likelihood:
        """Their sum."""
        return reduce(add, [Likelihood(**answer) for answer in answers])

    def likelihood(self, answer: Likelihood, beta: Array) -> Likelihood:
        """The sums themselves."""
        return answer

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Next to none on the constant, which is finite then where everyone answers alike."""
        each = np.full(len(shared["mean"]), penalizer)
        return np.concatenate([[_CONSTANT], each]) * patients

    def predict(self, patients: Inputs, weights: Weights, shared: Shared) -> Array:
        """Probability (n,) that each patient responds."""
        return np.asarray(expit(self.design(patients, shared) @ shared["beta"]))

    def score(self, patients: Inputs, weights: Weights, shared: Shared) -> Scored:
        """The AUC."""
        told = self.predict(patients, weights, shared)
        return scored_auc(told, patients.response.astype(float))

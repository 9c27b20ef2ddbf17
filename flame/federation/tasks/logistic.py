"""Response by logistic regression, whose coefficients are exactly those of pooled patients."""

from collections.abc import Iterator
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.core.scores import Weights
from flame.federation.task import Message, Rule, Shared
from flame.federation.tasks.outcome_texts import regression_text
from flame.federation.tasks.registry import RESPONSE_MODELS
from flame.federation.tasks.regression import Regression, standardised
from flame.federation.tasks.response import ResponseTask
from flame.federation.tasks.tabular import regression_rules
from flame.models.regression.logistic import likelihood
from flame.models.regression.newton import Likelihood
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]

_CONSTANT = 1e-8


@RESPONSE_MODELS.register("logistic")
class LogisticTask(Regression, ResponseTask):
    """See ``flame.models.regression.logistic``.

    The first coefficient is the constant, without a penalty.

    ``penalizer`` times the number of patients is 1 / C of scikit-learn.
    """

    name = "logistic"

    def rules(self) -> Iterator[Rule]:
        """Those of response, and of regressions."""
        yield from super().rules()
        yield from regression_rules(self.config)

    def training_text(self) -> str:
        """How the model was trained."""
        return regression_text(self.config)

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """A constant and the standardised features."""
        x = standardised(patients, shared)
        return np.column_stack([np.ones(len(x)), x])

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Likelihood:
        """Likelihood, gradient and Hessian of the patients of a centre."""
        return likelihood(x, patients.response.astype(float), beta)

    def total(self, replies: list[Message]) -> Likelihood:
        """Their sum."""
        return reduce(add, [Likelihood(**reply) for reply in replies])

    def likelihood(self, total: Likelihood, beta: Array) -> Likelihood:
        """The sums themselves."""
        return total

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Next to none on the constant, which is finite then where everyone answers alike."""
        each = np.full(len(shared["mean"]), penalizer)
        return np.concatenate([[_CONSTANT], each]) * patients

    def predict(self, patients: Inputs, weights: Weights, shared: Shared) -> Array:
        """Probability (n,) that each patient responds."""
        return np.asarray(expit(self.design(patients, shared) @ shared["beta"]))

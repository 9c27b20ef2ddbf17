"""Response by logistic regression: the coefficients are exactly those of pooled patients."""

from collections.abc import Iterator
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.core.config import Rule
from flame.core.scores import Weights
from flame.federation.task import Message, Shared
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
"""Penalty on the constant, small enough not to matter, so that it is finite if all outcomes are
equal."""


@RESPONSE_MODELS.register("logistic")
class LogisticTask(Regression, ResponseTask):
    """Predicts response by a ridge-penalised logistic regression.

    P(response) = 1 / (1 + exp(-(b_0 + x b))) for z-scored features x. The coefficients maximise the
    log likelihood of all n patients minus ``penalizer`` * n / 2 * ||b||^2, where ||b||^2 leaves out
    b_0. ``penalizer`` * n is 1 / C of scikit-learn. See ``flame.models.regression.logistic``.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.

    Example:
        Age has mean 60 and standard deviation 10: at 70 the logit is 0 + 1 * 1 = 1.

        >>> from flame.federation.config import TrainConfig
        >>> from flame.federation.sections import DataConfig
        >>> from flame.models.response.inputs import ResponseModelConfig
        >>> model = ResponseModelConfig(kind="logistic", clinical=("age",))
        >>> task = LogisticTask(TrainConfig(DataConfig(table="cohort.csv"), model))
        >>> empty = np.zeros((1, 0), np.float32)
        >>> one = np.ones(1)
        >>> patient = Inputs("UCSF", ("p1",), empty, np.array([[70.0]]), empty, one, one, one)
        >>> shared = {"count": np.array([4.0]), "mean": np.array([60.0])}
        >>> shared |= {"sum_sq_dev": np.array([400.0]), "beta": np.array([0.0, 1.0])}
        >>> task.predict(patient, [], shared).round(2).tolist()
        [0.73]
    """

    name = "logistic"

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of response and of regressions."""
        yield from super().rules()
        yield from regression_rules(self.config)

    def training_text(self) -> str:
        """Describe how the regression was trained."""
        return regression_text(self.config)

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """Return a column of ones and the standardised features: (n, p + 1)."""
        x = standardised(patients, shared)
        return np.column_stack([np.ones(len(x)), x])

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Likelihood:
        """Return log likelihood, gradient and Hessian of the patients of a centre."""
        return likelihood(x, patients.response.astype(float), beta)

    def influence(self, patients: Inputs, x: Array, beta: Array) -> list[Array]:
        """Return |y - p|, the weights of the gradient, and p (1 - p), those of the Hessian."""
        p = expit(x @ beta)
        return [np.abs(patients.response - p), p * (1 - p)]

    def total(self, replies: list[Message]) -> Likelihood:
        """Add the likelihoods of all centres."""
        return reduce(add, [Likelihood(**reply) for reply in replies])

    def likelihood(self, total: Likelihood, beta: Array) -> Likelihood:
        """Return the total, which is a likelihood already."""
        return total

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Return ``penalizer`` * ``patients`` for each feature; tiny for the constant."""
        per_feature = np.full(len(shared["mean"]), penalizer)
        return np.concatenate([[_CONSTANT], per_feature]) * patients

    def predict(self, patients: Inputs, weights: Weights, shared: Shared) -> Array:
        """Return the probability (n,) that each patient responds."""
        return np.asarray(expit(self.design(patients, shared) @ shared["beta"]))

"""The task survival: a Cox model from sums, with exactly the coefficients of pooled patients."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, View
from flame.core.config import Rule
from flame.core.errors import BadInput, Refusal
from flame.core.scores import Scored, Weights
from flame.federation.task import Message, OutcomeTask, Query, Row, SendQuery, Shared, TaskTexts
from flame.federation.tasks.moments_check import check_moments
from flame.federation.tasks.outcome_texts import missing_text, predictor_text, regression_text
from flame.federation.tasks.registry import TASKS
from flame.federation.tasks.regression import Regression, standardised
from flame.federation.tasks.tabular import (
    feature_view,
    outcome_rules,
    regression_rules,
    tabular_warnings,
    unknown_status,
)
from flame.models.regression.baseline_hazard import MONTHS, Hazard, hazard_sums
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


_LATE = (
    "some patients entered late: the model and its baseline hazard count them from that day, but "
    "all figures of the report (C-index, calibration slope, Kaplan-Meier curves, mean survival, "
    "test of proportional hazards) and the baselines count everybody from day 0"
)


@TASKS.register("survival")
class SurvivalTask(Regression, OutcomeTask[Followed]):
    """Predicts survival by a ridge-penalised Cox model.

    The hazard of a patient with z-scored features x is h_0(t) exp(x b). ``penalizer`` is that of
    lifelines. Stratified by centre, h_0 differs between centres, and sites send a likelihood with
    its derivatives. Without strata all centres share h_0, and sites send their times of death, and
    sums at the times of death of all centres. See ``flame.models.regression.cox``.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.

    Example:
        Age has mean 60 and standard deviation 10: at 70 the log risk is 1 * 0.5.

        >>> from flame.federation.config import TrainConfig
        >>> from flame.federation.sections import DataConfig
        >>> from flame.models.response.inputs import ResponseModelConfig
        >>> model = ResponseModelConfig(clinical=("age",))
        >>> task = SurvivalTask(TrainConfig(DataConfig(table="cohort.csv"), model, task="survival"))
        >>> empty = np.zeros((1, 0), np.float32)
        >>> one = np.ones(1)
        >>> patient = Followed("UCSF", ("p1",), empty, np.array([[70.0]]), empty, one, one, one)
        >>> shared = {"count": np.array([4.0]), "mean": np.array([60.0])}
        >>> shared |= {"sum_sq_dev": np.array([400.0]), "beta": np.array([0.5])}
        >>> task.predict(patient, [], shared).tolist()
        [-0.5]
    """

    name = "survival"
    title = "Survival prediction and generalisation"
    outcome = "survival"
    metrics = ("c_index", "calibration slope")
    whole_queries = ("hazard",)

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of tasks and regressions, and that no feature is an outcome."""
        yield from super().rules()
        yield from outcome_rules(self.config)
        yield from regression_rules(self.config)

    def view(self) -> View | None:
        """Return the view of tumour features, or None if the model uses none."""
        return feature_view(self.config)

    def patients(self, cohort: Cohort) -> Followed:
        """Build the arrays of all patients."""
        return followed(cohort, self.config.model)

    def reply(self, patients: list[Any], query: Query) -> Message:
        """Reply as every regression, with the hazard, and without strata with times of death."""
        labelled = [p.take(p.labelled) for p in patients]
        if query.name == "hazard":
            return {p.centre: asdict(self._hazard(p, query.shared)) for p in labelled}
        if query.name == "times" and not self.settings.stratified:
            return {"times": np.unique(np.concatenate([_times(p) for p in labelled]))}
        return super().reply(patients, query)

    def before(self, send: SendQuery, shared: Shared) -> Message:
        """Return the ``times`` of death of all centres in days; with strata an empty message."""
        if self.settings.stratified:
            return {}
        replies = send("times", {})
        return {"times": np.unique(np.concatenate([reply["times"] for reply in replies]))}

    def _hazard(self, patients: Inputs, shared: Shared) -> Hazard:
        check_moments(shared, patients.features.shape[1])
        x = self.design(patients, shared)
        beta = np.asarray(shared["beta"], float)
        if beta.shape != (x.shape[1],) or not np.isfinite(beta).all():
            raise Refusal("replies to 'hazard' at one finite number for each coefficient only")
        least = self.config.privacy.least_patients
        if self._is_about_few(patients, x, beta):
            return Hazard(np.zeros(MONTHS), np.zeros(MONTHS))
        log_risk = x @ beta
        days, entered = patients.survival_days, patients.entered
        return hazard_sums(log_risk, days, patients.died, least, entered)

    def finish(self, send: SendQuery, weights: Weights, shared: Shared, whole: bool) -> Shared:
        """Add the baseline hazard by centre, in order of name, where nobody is held out."""
        if not whole:
            return shared
        replies = {
            centre: part for r in send("hazard", {}, shared=shared) for centre, part in r.items()
        }
        hazards = [Hazard(**replies[centre]) for centre in sorted(replies)]
        return {
            **shared,
            "hazard_deaths": np.array([h.deaths for h in hazards]),
            "hazard_exposure": np.array([h.exposure for h in hazards]),
        }

    def design(self, patients: Inputs, shared: Shared) -> Array:
        """Return the standardised features (n, p)."""
        return standardised(patients, shared)

    def sums(self, patients: Inputs, x: Array, beta: Array, common: Message) -> Any:
        """Return the centre's own likelihood; without strata sums over the patients at risk."""
        if self.settings.stratified:
            return stratum(x, patients.survival_days, patients.died, beta, patients.entered)
        times = np.asarray(common["times"])
        return risk_sums(x, patients.survival_days, patients.died, beta, times, patients.entered)

    def influence(self, patients: Inputs, x: Array, beta: Array) -> list[Array]:
        """Return the relative hazards."""
        log_hazard = x @ beta
        return [np.exp(log_hazard - log_hazard.max(initial=0.0))]

    def total(self, replies: list[Message]) -> Any:
        """Add the sums of all sites."""
        kind = Likelihood if self.settings.stratified else RiskSums
        return reduce(add, [kind(**_nested(reply)) for reply in replies])

    def likelihood(self, total: Any, beta: Array) -> Likelihood:
        """Return the total with strata; without strata compute the likelihood from it."""
        return total if self.settings.stratified else likelihood(total, beta)

    def penalty(self, penalizer: float, patients: float, shared: Shared) -> Array:
        """Return the penalty of lifelines, which scales features by the unbiased deviation."""
        weight = penalizer * patients * patients / max(patients - 1, 1)
        return np.full(len(shared["mean"]), weight)

    def predict(self, patients: Followed, weights: Weights, shared: Shared) -> Array:
        """Return -x b (n,), the negative log risk; a higher value means longer survival."""
        return np.asarray(-self.design(patients, shared) @ shared["beta"])

    def score(self, patients: Followed, weights: Weights, shared: Shared) -> Scored:
        """Return the C-index."""
        predicted = self.predict(patients, weights, shared)
        return scored_c_index(predicted, patients.survival_days, patients.died)

    def summary(
        self, cohorts: list[Cohort], patients: list[Followed]
    ) -> tuple[list[Row], list[str]]:
        """Count patients and deaths by centre, and warn about the data."""
        rows = list[Row]()
        warnings = []
        for centre in patients:
            count = len(centre.labelled)
            deaths = int(centre.died[centre.labelled].sum())
            rows.append({"centre": centre.centre, "patients": count, "deaths": deaths})
            if not deaths:
                warnings.append(f"centre {centre.centre}: nobody died, so its C-index is undefined")
        if not any(row["deaths"] for row in rows):
            raise BadInput("nobody died at any centre, so survival cannot be learned")
        table_warnings = tabular_warnings(list(patients), self.config.model.clinical)
        if any(centre.entered.any() for centre in patients):
            warnings.append(_LATE)
        return rows, [*unknown_status(cohorts), *warnings, *table_warnings]

    def texts(self) -> TaskTexts:
        """Return how a report words this task."""
        free = self.config.data.endpoint == "progression-free"
        event = "progression (flame assess) or death" if free else "death"
        return TaskTexts(
            outcome=f"time to {event}; a missing status counts as a death; tied times by Efron's "
            "method",
            predictors=predictor_text(self.config),
            missing=missing_text(self.config),
            training=regression_text(self.config),
            output="a log risk",
            events="events" if free else "deaths",
        )


def _times(patients: Inputs) -> Array:
    return death_times(patients.survival_days, patients.died)


def _nested(reply: Message) -> Message:
    return {k: Powers(**v) if isinstance(v, dict) else v for k, v in reply.items()}

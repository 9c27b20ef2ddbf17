"""The task response, which predicts response to radiotherapy: the base of all its models."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from flame.core.cohort import Cohort, View
from flame.core.config import Rule
from flame.core.errors import BadInput
from flame.core.scores import Scored, Weights
from flame.federation.config import TrainConfig
from flame.federation.task import (
    Message,
    OutcomeTask,
    Query,
    Row,
    SendQuery,
    Shared,
    Task,
    TaskTexts,
)
from flame.federation.tasks.outcome_texts import missing_text, predictor_text
from flame.federation.tasks.registry import RESPONSE_MODELS, TASKS
from flame.federation.tasks.tabular import (
    feature_view,
    outcome_rules,
    tabular_warnings,
    unknown_status,
)
from flame.models.regression.discrimination import scored_auc
from flame.models.regression.survival_curves import few_of_either
from flame.models.response.inputs import Inputs, build_inputs


@TASKS.register("response")
def response(config: TrainConfig) -> Task[Any]:
    """Create the task for the model ``model.kind``.

    Args:
        config: the configuration of the run.

    Returns:
        The task, with this configuration.

    Raises:
        BadInput: the model is unknown, or the configuration does not suit it.
    """
    return RESPONSE_MODELS[config.model.kind](config)


class ResponseTask(OutcomeTask[Inputs]):
    """Base of the tasks that predict the probability that a patient responds.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    title = "Response prediction and generalisation"
    outcome = "response"
    whole_queries = ("responders",)
    metrics = (
        "auc",
        "auprc",
        "balanced accuracy",
        "brier",
        "calibration slope",
        "calibration intercept",
        "c_index",
    )

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of every task, and that no outcome is among the features."""
        yield from super().rules()
        yield from outcome_rules(self.config)

    def view(self) -> View | None:
        """Return the view of images and tumour features, as far as the model uses them."""
        return feature_view(self.config)

    def patients(self, cohort: Cohort) -> Inputs:
        """Build the arrays of all patients."""
        return build_inputs(cohort, self.config.model)

    def reply(self, patients: list[Inputs], query: Query) -> Message:
        """Reply with the numbers of patients and responders; 0 where either class has few."""
        if query.name != "responders":
            raise self.unknown(query)
        least = self.config.privacy.least_patients
        labelled = [p.response[p.labelled] > 0.5 for p in patients]
        told = [r for r in labelled if not few_of_either(r, least)]
        return {"patients": sum(map(len, told)), "responders": int(sum(r.sum() for r in told))}

    def finish(self, send: SendQuery, weights: Weights, shared: Shared, whole: bool) -> Shared:
        """Add the ``prevalence`` of response, the cut between the classes, if it may be known."""
        hidden = self.config.federation.secure or self.config.privacy.is_private
        if hidden or not whole:
            return shared
        replies = send("responders", {})
        patients = sum(reply["patients"] for reply in replies)
        responders = sum(reply["responders"] for reply in replies)
        prevalence = responders / patients if patients else np.nan
        return {**shared, "prevalence": np.array(prevalence)}

    def score(self, patients: Inputs, weights: Weights, shared: Shared) -> Scored:
        """Return the AUC."""
        predicted = self.predict(patients, weights, shared)
        return scored_auc(predicted, patients.response.astype(float))

    def summary(self, cohorts: list[Cohort], patients: list[Inputs]) -> tuple[list[Row], list[str]]:
        """Count patients and responders by centre, and warn about the data."""
        rows = list[Row]()
        warnings = []
        for centre in patients:
            count = len(centre.labelled)
            responders = int(centre.response[centre.labelled].sum())
            rows.append({"centre": centre.centre, "patients": count, "responders": responders})
            if responders in (0, count):
                warnings.append(
                    f"centre {centre.centre} has {responders} responders among {count} patients: "
                    "its AUC is undefined and its local model can only learn one outcome"
                )
        if len(warnings) == len(patients):
            raise BadInput(
                "no centre has both responders and non-responders: nothing can be learned"
            )
        table_warnings = tabular_warnings(patients, self.config.model.clinical)
        return rows, [*unknown_status(cohorts), *warnings, *table_warnings]

    def texts(self) -> TaskTexts:
        """Return how a report words this task."""
        days = self.config.data.horizon_days
        free = self.config.data.endpoint == "progression-free"
        state = "alive without progression" if free else "alive"
        return TaskTexts(
            outcome=f"{state} at {days:g} days" if days else "the column 'response'",
            predictors=predictor_text(self.config),
            missing=missing_text(self.config),
            training=self.training_text(),
            output="a probability",
            limits=["Patients whose response is unknown count in survival figures only."],
            events="responders",
        )

    def training_text(self) -> str:
        """Describe how the model was trained."""
        raise NotImplementedError

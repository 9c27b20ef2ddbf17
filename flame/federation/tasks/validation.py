"""The task validation: how a finished model predicts at each hospital, from grouped patients."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.arrays import digest
from flame.core.cohort import Cohort, View
from flame.core.config import Rule
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.packed_model import Seeds, unpacked
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
from flame.federation.tasks.registry import TASKS, open_task
from flame.models.regression.discrimination import groups_of
from flame.models.regression.survival_curves import counted
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]


@TASKS.register("validation")
class ValidationTask(Task[Any]):
    """Tests a model of response or survival on the patients of each centre; nothing is trained.

    A site predicts its own patients, and sends groups of at least ``privacy.least_patients`` of
    them: for response the mean prediction of neighbours in prediction with the same response; for
    survival the mean prediction and mean day of neighbours in both with the same status. With
    least_patients = 1 every figure is exactly that of pooled patients.

    ``shared`` has for each centre an array ``rows/CENTRE`` (g, 4): prediction, day, status and
    number of patients of each group. For response the day is 0 and the status is the response.

    A site counts the different models of all runs, see ``SitePolicy.validations``: from the replies
    to many similar models, differences of single patients could be told.

    Args:
        config: the configuration of the run, whose ``data`` and ``model`` are those of the model.

    Raises:
        BadInput: ``validation.model`` is no packed model of response or survival.
    """

    name = "validation"
    title = "External validation"
    tabular = True
    cross_validated = False

    def rules(self) -> Iterator[Rule]:
        """Yield that there is a model, and that it predicts an outcome."""
        yield self.config.validation.model, "validation.model is missing: run flame validate"
        yield (
            isinstance(self.inner, OutcomeTask),
            "flame validate needs a model on response or survival",
        )
        yield from super().rules()

    @cached_property
    def _unpacked(self) -> tuple[TrainConfig, Seeds]:
        return unpacked(self.config.validation.model)

    @cached_property
    def inner(self) -> Task[Any]:
        """The task of the model."""
        return open_task(self._unpacked[0])

    @property
    def probe(self) -> str:
        """Digest of the model."""
        return digest(self.config.validation.model)

    def view(self) -> View | None:
        """Return the view of the model."""
        return self.inner.view()

    def patients(self, cohort: Cohort) -> Any:
        """Build the arrays that the model needs.

        Args:
            cohort: patients of one centre.

        Returns:
            The arrays.

        Raises:
            BadInput: patients entered late, whom a validation would count from day 0.
        """
        patients = self.inner.patients(cohort)
        if patients.entered.any():
            raise BadInput(
                f"centre {cohort.centre}: some patients came under observation after day 0, and a "
                "validation counts everybody from day 0: leave them out"
            )
        return patients

    def predicted(self, patients: Inputs) -> Array:
        """Predict patients (n,), averaged over seeds."""
        assert isinstance(self.inner, OutcomeTask)
        each = [self.inner.predict(patients, w, s) for w, s in self._unpacked[1]]
        return np.asarray(np.mean(each, axis=0), np.float64)

    def reply(self, patients: list[Any], query: Query) -> Message:
        """Reply to ``outcomes`` with groups of patients by centre."""
        if query.name != "outcomes":
            raise self.unknown(query)
        return {p.centre: {"rows": self._grouped(p.take(p.labelled))} for p in patients}

    def _grouped(self, patients: Inputs) -> Array:
        least = self.config.privacy.least_patients
        predicted = self.predicted(patients)
        if self.inner.outcome == "survival":
            groups = groups_of(predicted, patients.survival_days, patients.died, least)
            return np.column_stack(list(asdict(groups).values()))
        values, yes, no = counted(predicted, patients.response > 0.5, least)
        nowhere = np.zeros(len(values))
        both = [
            np.column_stack([values, nowhere, np.full(len(values), status), number])
            for status, number in ((1.0, yes), (0.0, no))
        ]
        rows = np.concatenate(both)
        return rows[rows[:, 3] > 0]

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Collect the groups of all centres."""
        replies = send("outcomes", {})
        return {
            f"rows/{centre}": np.asarray(part["rows"], float)
            for reply in replies
            for centre, part in reply.items()
        }

    def summary(self, cohorts: list[Cohort], patients: list[Any]) -> tuple[list[Row], list[str]]:
        """Count the patients of each centre."""
        return [{"centre": p.centre, "patients": len(p.labelled)} for p in patients], []

    def texts(self) -> TaskTexts:
        """Return the texts of the model."""
        return self.inner.texts()

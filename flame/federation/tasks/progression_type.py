"""The task progression-type: does the first increase after radiotherapy confirm as progression?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flame.core.cohort import Patient, View
from flame.core.config import Rule
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.task import Task, TaskTexts
from flame.federation.tasks.registry import RESPONSE_MODELS, TASKS
from flame.federation.tasks.response import ResponseTask
from flame.federation.tasks.tabular import feature_view, without_images
from flame.models.clinical.burden import by_course
from flame.models.clinical.rano import Burden, Criteria, Rating, criteria_named
from flame.preprocessing.cohort.course import before_landmark

LABEL = "pseudoprogression"
"""Column of participants.tsv with the label, 1 or 0, which goes before that of later imaging."""
NO_INCREASE = "no increase within the window after radiotherapy"
"""Why there is nothing to predict for a patient."""
_INCREASES = (Rating.PD, Rating.UNCONFIRMED, Rating.NOT_PD)


@TASKS.register("progression-type")
def progression_type(config: TrainConfig) -> Task[Any]:
    """Create the task for the model ``model.kind`` of the task response.

    Args:
        config: the configuration of the run.

    Returns:
        The task, with this configuration.

    Raises:
        BadInput: the model is unknown or no class, or the configuration does not suit it.
    """
    kind = RESPONSE_MODELS[config.model.kind]
    if not (isinstance(kind, type) and issubclass(kind, ResponseTask)):
        raise BadInput(f"model.kind = '{config.model.kind}' is not for task progression-type")
    task: Task[Any] = type(f"ProgressionType{kind.__name__}", (ProgressionType, kind), {})(config)
    return task


class ProgressionType(ResponseTask):
    """Predicts the probability that the first increase is pseudoprogression.

    The increase is the first PD by ``model.criteria`` within ``model.window_days`` of the last
    fraction, confirmed or not. Scans at least four weeks later settle it, see ``settled``. The
    model sees the patient as known on the day of the increase. With a table, the label is the
    column ``response``: 1 for pseudoprogression.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    title = "Pseudoprogression or progression"

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of response, and that nothing else sets the day of the prediction."""
        yield from super().rules()
        model = self.config.model
        yield (
            model.landmark_day is None and self.config.data.horizon_days is None,
            "task progression-type predicts on the day of the first increase: leave out "
            "model.landmark_day and data.horizon_days",
        )
        yield (
            LABEL not in self.config.features(),
            f"model.clinical holds the label '{LABEL}'; remove it",
        )
        criteria_named(model.criteria)

    def view(self) -> View | None:
        """Return the view of the patient as known on the day of the first increase."""
        if self.config.data.table:
            return None
        model = self.config.model
        rules = replace(criteria_named(model.criteria), unsure_days=round(model.window_days))
        view = feature_view(self.config) or without_images
        return lambda patient: view(at_first_increase(patient, rules))

    def texts(self) -> TaskTexts:
        """Return how a report words this task."""
        days = self.config.model.window_days
        return replace(
            super().texts(),
            outcome=f"the first increase within {days:g} days of radiotherapy "
            f"({self.config.model.criteria}) does not grow further, or the column '{LABEL}'",
            output="a probability of pseudoprogression",
            limits=["Patients without an increase, or without a later scan, are not labelled."],
            events="pseudoprogressions",
        )


def settled(increase: Burden, later: Sequence[Burden], rules: Criteria) -> bool | None:
    """Tell pseudoprogression from progression by what became of an increase.

    As in the modified RANO criteria, the scan of the increase is the reference of later ones, as
    an increase that merely persists may still be an effect of treatment.

    Args:
        increase: burden on the day of the increase.
        later: burdens of the scans that are late enough, in order.
        rules: criteria, with the growth that is progression.

    Returns:
        False (progression) if a later scan has grown further by ``growth``, True
        (pseudoprogression) if the last one is no larger than the increase, and None otherwise.

    Reference:
        Ellingson 2017, doi:10.1007/s13311-017-0507-2.

    Example:
        >>> from flame.models.clinical.rano import CRITERIA
        >>> rules = CRITERIA["rano-2.0-volume"]
        >>> settled(Burden(75, 10.0), [Burden(110, 9.0)], rules)
        True
        >>> settled(Burden(75, 10.0), [Burden(110, 9.0), Burden(165, 14.0)], rules)
        False
        >>> settled(Burden(75, 10.0), [Burden(110, 12.0)], rules) is None
        True
    """
    if not later:
        return None
    if any(round(b.size, 9) >= round((1 + rules.growth) * increase.size, 9) for b in later):
        return False
    return True if later[-1].size <= increase.size else None


def at_first_increase(patient: Patient, rules: Criteria) -> Patient:
    """Return a patient as known on the day of the first increase, with what became of it.

    Args:
        patient: the patient with tumour masks.
        rules: criteria; ``unsure_days`` is the window after the last fraction.

    Returns:
        The patient without later days. ``outcome.response`` is True for pseudoprogression, False
        for progression, and None without an increase or without a scan that settles it.
    """
    first, *_ = by_course(patient)
    rated = first.rated(rules)
    window = first.end + rules.unsure_days
    found = [a for a in rated if a.rating in _INCREASES and a.burden.day <= window]
    if not found:
        known = before_landmark(patient, window)
        unlabelled = replace(patient.outcome, response=None)
        return replace(known, outcome=unlabelled, left_out=NO_INCREASE)
    increase = found[0]
    told = patient.clinical.get(LABEL, np.nan)
    later = [a.burden for a in rated if a.burden.day >= increase.burden.day + rules.look_days]
    label = bool(told) if np.isfinite(told) else settled(increase.burden, later, rules)
    known = before_landmark(patient, increase.burden.day)
    return replace(known, outcome=replace(patient.outcome, response=label))

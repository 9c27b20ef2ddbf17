"""The task statistics: describes the cohorts of all centres together, from counts and sums.

Centres send no row of a patient.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient, View
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.task import Message, Query, Row, SendQuery, Shared, Task, TaskTexts
from flame.federation.tasks.registry import TASKS
from flame.federation.tasks.suppression import Described, described
from flame.federation.tasks.tabular import feature_view, tabular_warnings, unknown_status
from flame.models.regression.discrimination import (
    Groups,
    Pairs,
    ScoreCounts,
    auc_of,
    c_index_of,
    groups_of,
    pairs_across,
    pairs_of,
    score_counts,
)
from flame.models.regression.survival_curves import Exits, exits, kaplan_meier, log_rank, together
from flame.models.response.inputs import Everyone, Inputs, inputs_of
from flame.preprocessing.harmonisation.standardisation import Moments, merge, summarise

Array = NDArray[np.float64]

_CURVE = ("times", "alive", "low", "high")
"""Arrays of a Kaplan-Meier curve."""


@TASKS.register("statistics")
class StatisticsTask(Task[Inputs]):
    """Describes features and survival, and how well each feature alone predicts the outcome.

    ``shared`` holds, for p features, c centres and t times:

    - ``patients`` and ``deaths`` (c,);
    - ``count``, ``mean`` and ``sum_sq_dev`` (p,), the moments of the features;
    - ``times``, ``alive``, ``low`` and ``high`` (t,), the Kaplan-Meier curve of all patients with
      its 95 % interval, times in days;
    - ``medians`` (c, 3), the median survival in days with its 95 % interval;
    - ``points`` (c,), the number of times in the curve of each centre, and ``centre_times``,
      ``centre_alive``, ``centre_low`` and ``centre_high``, the curves one after the other;
    - ``counts``, ``means`` and ``spreads`` (c, p), the known values of each feature by centre,
      their mean and standard deviation; 0 known where a centre may not tell them;
    - ``log_rank`` (3,), the chi-squared, degrees of freedom and p of the log-rank test over
      centres;
    - ``auc`` (p, 3), ``c_index`` (p, 3) over pairs of patients within a centre, and
      ``c_index_across`` (p, 3) over all pairs, each with its 95 % interval.

    Each time and score that a centre sends is the mean of at least ``privacy.least_count``
    neighbouring patients (microaggregation). What would show a smaller count is hidden, see
    ``suppression``: a centre sends 0 for such moments and empty counts.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    name = "statistics"
    title = "Cohorts, hospital by hospital"
    tabular = True
    cross_validated = False

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.least = config.privacy.least_count

    def view(self) -> View | None:
        """Return the view of tumour features, or None if the configuration names none."""
        return feature_view(self.config)

    def patients(self, cohort: Cohort) -> Everyone:
        """Build the arrays of all patients, with the outcome of those whose status is known."""
        known = replace(cohort, patients=tuple(map(self._as_known, cohort.patients)))
        return Everyone(**vars(inputs_of(known, self.config.model)))

    def _as_known(self, patient: Patient) -> Patient:
        """Drop a survival whose status is unknown, and the response that was derived from it."""
        outcome = patient.outcome
        if outcome.died is not None or outcome.survival_days is None:
            return patient
        assumed = bool(self.config.data.horizon_days) and outcome.response is False
        response = None if assumed else outcome.response
        return replace(patient, outcome=replace(outcome, survival_days=None, response=response))

    def reply(self, patients: list[Inputs], query: Query) -> Message:
        """Reply with counts and sums by centre: ``moments``, ``survival`` or ``features``."""
        replies = {"moments": self._moments, "survival": self._survival, "features": self._features}
        if query.name not in replies:
            raise self.unknown(query)
        return {p.centre: replies[query.name](*self._described(p)) for p in patients}

    def _described(self, patients: Inputs) -> tuple[Inputs, Described]:
        status = np.where(np.isfinite(patients.survival_days), patients.died, np.nan)
        response = patients.response.astype(float)
        chosen = described(patients.features, response, status, self.least)
        return patients.take(chosen.rows), chosen

    def _moments(self, patients: Inputs, chosen: Described) -> Message:
        if len(patients.pseudonyms) < self.least:
            raise BadInput(
                f"centre {patients.centre} has fewer than privacy.least_count = {self.least} "
                "patients and sends no statistics; lower privacy.least_count or leave the centre "
                "out"
            )
        moments = summarise(patients.features)
        return asdict(Moments(*(np.where(chosen.moments, v, 0.0) for v in vars(moments).values())))

    def _survival(self, patients: Inputs, chosen: Described) -> Message:
        known = np.isfinite(patients.survival_days) & chosen.survival
        days = patients.survival_days[known]
        died = patients.died[known]
        return asdict(exits(days, died, self.least))

    def _features(self, patients: Inputs, chosen: Described) -> Message:
        followed = list(self._followed(patients, chosen))
        return {
            "auc": [asdict(c) for c in self._scores(patients, chosen)],
            "pairs": [asdict(pairs_of(groups_of(*f))) for f in followed],
            "groups": [asdict(groups_of(*f, self.least)) for f in followed],
        }

    def _scores(self, patients: Inputs, chosen: Described) -> Iterator[ScoreCounts]:
        for column, told in zip(patients.features.T, chosen.by_response, strict=True):
            known = np.isfinite(column) & np.isfinite(patients.response) & told
            response = patients.response[known].astype(float)
            yield score_counts(column[known], response, self.least)

    def _followed(
        self, patients: Inputs, chosen: Described
    ) -> Iterator[tuple[Array, Array, Array]]:
        for column, told in zip(patients.features.T, chosen.by_status, strict=True):
            known = np.isfinite(column) & np.isfinite(patients.survival_days) & told
            yield column[known], patients.survival_days[known], patients.died[known]

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Compute all figures from the replies, see the class."""
        moments = _by_centre(send("moments", {}))
        survival = _by_centre(send("survival", {}))
        features = _by_centre(send("features", {}))
        exits_by_centre = [Exits(**reply) for reply in survival.values()]
        curve = kaplan_meier(together(exits_by_centre))
        curves = [kaplan_meier(e) for e in exits_by_centre]
        own = [Moments(**reply) for reply in moments.values()]
        test = log_rank(exits_by_centre)
        columns = range(len(features[next(iter(features))]["auc"]))
        aucs = [auc_of([ScoreCounts(**f["auc"][i]) for f in features.values()]) for i in columns]
        c_indices = [
            c_index_of(reduce(add, [Pairs(**f["pairs"][i]) for f in features.values()]))
            for i in columns
        ]
        across = [
            c_index_of(pairs_across([Groups(**f["groups"][i]) for f in features.values()]))
            for i in columns
        ]
        return {
            **asdict(merge(own)),
            "counts": np.array([m.count for m in own]),
            "means": np.array([m.mean for m in own]),
            "spreads": np.array([np.sqrt(m.sum_sq_dev / np.maximum(m.count, 1)) for m in own]),
            "points": np.array([len(c.times) for c in curves]),
            **{f"centre_{n}": np.concatenate([getattr(c, n) for c in curves]) for n in _CURVE},
            "patients": np.array([(e.deaths + e.censored).sum() for e in exits_by_centre]),
            "deaths": np.array([e.deaths.sum() for e in exits_by_centre]),
            **{name: getattr(curve, name) for name in _CURVE},
            "medians": np.array([(c.median, *c.median_interval) for c in curves]).reshape(-1, 3),
            "log_rank": np.array([test.chi2, test.freedom, test.p]),
            "auc": np.array(aucs).reshape(-1, 3),
            "c_index": np.array(c_indices).reshape(-1, 3),
            "c_index_across": np.array(across).reshape(-1, 3),
        }

    def summary(self, cohorts: list[Cohort], patients: list[Inputs]) -> tuple[list[Row], list[str]]:
        """Count the patients of each centre, and warn as in training, without small counts."""
        rows: list[Row] = [{"centre": p.centre, "patients": len(p.pseudonyms)} for p in patients]
        return rows, [
            *unknown_status(cohorts, self.least),
            *tabular_warnings(patients, self.config.model.clinical, self.least),
        ]

    def texts(self) -> TaskTexts:
        """Return how a report words this task, which predicts nothing."""
        return TaskTexts("none", "none", "left out of each feature's figures", "none", "counts")


def _by_centre(replies: list[Message]) -> dict[str, Message]:
    by_centre = {centre: part for reply in replies for centre, part in reply.items()}
    return {centre: by_centre[centre] for centre in sorted(by_centre)}

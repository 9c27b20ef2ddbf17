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
from flame.models.regression.survival_curves import (
    Curve,
    Exits,
    exits,
    kaplan_meier,
    log_rank,
    together,
)
from flame.models.response.inputs import Everyone, Inputs, inputs_of
from flame.preprocessing.harmonisation.standardisation import Moments, merge, summarise

Array = NDArray[np.float64]

NOT_TOLD = (float("nan"),) * 3
"""A figure without a value."""
LEAST_BLOCKS = 10
"""Least number of blocks of ``privacy.least_count`` patients of a class in an AUC; twice as many
patients in all in a C-index over all pairs."""
LEAST_DEATHS = 5
"""Least number of blocks of deaths of which the median survival of a centre is told."""
_CURVE = ("times", "alive", "low", "high")
"""Arrays of a Kaplan-Meier curve."""


@TASKS.register("statistics")
class StatisticsTask(Task[Inputs]):
    """Describes features and survival, and how well each feature alone predicts the outcome.

    ``shared`` holds, for p features, c centres and t times:

    - ``described`` (c,), the patients who are described, and of them ``patients``, whose survival
      is told, and ``deaths`` (c,);
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
      ``c_index_across`` (p, 3) over all pairs, each with its 95 % interval, and ``auc_n`` and
      ``c_index_n`` (p,), the patients that they are of. Means of few neighbours would distort an
      AUC or a C-index over all pairs: these are told of ``LEAST_BLOCKS`` blocks or more.

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
        """Drop a survival whose status is unknown, and a response that was derived from it."""
        outcome = patient.outcome
        if outcome.died is not None or outcome.survival_days is None:
            return patient
        response = None if self.config.data.horizon_days else outcome.response
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
        told = Moments(*(np.where(chosen.moments, v, 0.0) for v in vars(moments).values()))
        return {**asdict(told), "described": float(len(patients.pseudonyms))}

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
        described = np.array([reply.pop("described") for reply in moments.values()])
        own = [Moments(**reply) for reply in moments.values()]
        test = log_rank(exits_by_centre)
        columns = range(len(features[next(iter(features))]["auc"]))
        counted = [[ScoreCounts(**f["auc"][i]) for f in features.values()] for i in columns]
        aucs = [self._auc(parts) for parts in counted]
        pairs = [reduce(add, [Pairs(**f["pairs"][i]) for f in features.values()]) for i in columns]
        groups = [[Groups(**f["groups"][i]) for f in features.values()] for i in columns]
        c_indices = [c_index_of(p) for p in pairs]
        across = [self._across(g, p) for g, p in zip(groups, pairs, strict=True)]
        return {
            **asdict(merge(own)),
            "counts": np.array([m.count for m in own]),
            "means": np.array([m.mean for m in own]),
            "spreads": np.array([np.sqrt(m.sum_sq_dev / np.maximum(m.count, 1)) for m in own]),
            "points": np.array([len(c.times) for c in curves]),
            **{f"centre_{n}": np.concatenate([getattr(c, n) for c in curves]) for n in _CURVE},
            "described": described,
            "auc_n": np.array([sum(p.yes.sum() + p.no.sum() for p in parts) for parts in counted]),
            "c_index_n": np.array([sum(g.counts.sum() for g in parts) for parts in groups]),
            "patients": np.array([(e.deaths + e.censored).sum() for e in exits_by_centre]),
            "deaths": np.array([e.deaths.sum() for e in exits_by_centre]),
            **{name: getattr(curve, name) for name in _CURVE},
            "medians": np.array(
                [self._median(c, e) for c, e in zip(curves, exits_by_centre, strict=True)]
            ).reshape(-1, 3),
            "log_rank": np.array([test.chi2, test.freedom, test.p]),
            "auc": np.array(aucs).reshape(-1, 3),
            "c_index": np.array(c_indices).reshape(-1, 3),
            "c_index_across": np.array(across).reshape(-1, 3),
        }

    def _auc(self, parts: list[ScoreCounts]) -> tuple[float, float, float]:
        """Return the AUC of a feature; NaN if too few blocks would make it."""
        fewest = min(sum(p.yes.sum() for p in parts), sum(p.no.sum() for p in parts))
        if self.least > 1 and fewest < LEAST_BLOCKS * self.least:
            return NOT_TOLD
        return auc_of(parts)

    def _across(self, groups: list[Groups], within: Pairs) -> tuple[float, float, float]:
        """Return the C-index over all pairs; that within the centre if there is one centre only."""
        telling = [g for g in groups if g.counts.sum()]
        if len(telling) == 1:
            return c_index_of(within)
        if self.least > 1 and sum(g.counts.sum() for g in groups) < 2 * LEAST_BLOCKS * self.least:
            return NOT_TOLD
        return c_index_of(pairs_across(groups))

    def _median(self, curve: Curve, group: Exits) -> tuple[float, float, float]:
        """Return the median survival; NaN if too few blocks of deaths would make it."""
        if self.least > 1 and np.count_nonzero(group.deaths) < LEAST_DEATHS:
            return NOT_TOLD
        return curve.median, *curve.median_interval

    def summary(self, cohorts: list[Cohort], patients: list[Inputs]) -> tuple[list[Row], list[str]]:
        """Count the patients of each centre, and warn as in training, without small counts."""
        rows: list[Row] = [{"centre": p.centre, "patients": len(p.pseudonyms)} for p in patients]
        return rows, [
            *unknown_status(cohorts, self.least, "their survival is unknown here"),
            *tabular_warnings(
                [self._told(p) for p in patients], self.config.model.clinical, self.least
            ),
        ]

    def _told(self, patients: Inputs) -> Inputs:
        """Return the rows that are described, without the features that may not be told."""
        rows, chosen = self._described(patients)
        told = chosen.moments[: rows.clinical.shape[1]]
        return replace(rows, clinical=np.where(told, rows.clinical, np.nan))

    def texts(self) -> TaskTexts:
        """Return how a report words this task, which predicts nothing."""
        return TaskTexts("none", "none", "left out of each feature's figures", "none", "counts")


def _by_centre(replies: list[Message]) -> dict[str, Message]:
    by_centre = {centre: part for reply in replies for centre, part in reply.items()}
    return {centre: by_centre[centre] for centre in sorted(by_centre)}

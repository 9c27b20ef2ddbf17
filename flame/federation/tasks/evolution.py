"""The task evolution: forecasts of the tumour, learned in three parts.

The mixture is learned by expectation maximisation from sums, the network in rounds, and the
calibration from sums again.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from flame.core.cohort import Cohort, Patient, View
from flame.core.config import Rule
from flame.core.errors import BadInput
from flame.core.scores import Scored, Trained, Weights
from flame.core.treatment import Radiation
from flame.federation.config import TrainConfig
from flame.federation.task import (
    Message,
    Query,
    Row,
    SendQuery,
    Shared,
    Task,
    TaskTexts,
    TrainRequest,
    share_of,
)
from flame.federation.tasks.confounding import carbon_conventions, confounding
from flame.federation.tasks.image_summary import counted
from flame.federation.tasks.registry import TASKS
from flame.models.evolution.calibrated import Calibrated, Calibration, Sums, summed, together
from flame.models.evolution.cases import evolution_case
from flame.models.evolution.growth_curves import Surface
from flame.models.evolution.mechanistic import ALPHAS, DIFFUSION, RATE, Mechanistic
from flame.models.evolution.mixture import Mixture, Trial, learned
from flame.models.evolution.model import EvolutionCase
from flame.models.evolution.out_of_distribution import FEATURES, features, radiation_counts
from flame.models.segmentation.case_table import Cases, dice, scored_dice
from flame.preprocessing.cohort.tumour_cube import SHAPE
from flame.preprocessing.harmonisation.standardisation import Moments, merge, summarise
from flame.preprocessing.stages.atlas_registration import tissues

LEARNED = {
    "surface": ("growth",),
    "mechanistic": ("mixture",),
    "U-Net": ("network",),
    "hybrid": ("mixture", "network"),
}
"""Parts of each model that centres can learn together."""
NEEDS = {"surface": (), "mechanistic": ("dose",), "U-Net": ("plan",), "hybrid": ("dose",)}
"""What each model needs beyond masks and days: the dose of a course that lies ahead, or a plan."""
_WIDTH = len(FEATURES)
_CURVES = 5
"""Number of axes of the sums of growth."""
_EARLIER_VERSION = (
    "this model was trained by an earlier version of FLAME, with other parameters; train it again"
)
GRID = np.array([*DIFFUSION, *RATE, *ALPHAS])
"""What identifies the parameter sets that a mixture refers to."""
IONS = (Radiation.PROTON, Radiation.CARBON)
"""Order of the array ``efficacy``."""
LEAST_TRAINING = 2
"""Patients with follow-up that a centre needs outside the held-out fold: one to train, one to
calibrate."""
LEAST_CALIBRATING = 19
"""Least number of calibration patients for 5 % and 95 % quantiles: 0.95 * (19 + 1) = 19."""


def case_of(patient: Patient, centre: str) -> EvolutionCase:
    """Build the case of a patient whose images lie on a tumour cube.

    Args:
        patient: the patient, reduced by ``EvolutionTask.view``.
        centre: name of the centre.

    Returns:
        The case; brain tissues are those of the template, carried to the patient.

    Raises:
        BadInput: the patient lacks what a case needs; the message names the patient.
    """
    drawn = next((t for t in patient.timepoints if t.tumour is not None), None)
    affine = np.eye(4) if drawn is None or drawn.tumour is None else drawn.tumour.affine
    to_template = np.eye(4) if drawn is None else drawn.to_template
    if to_template is None:
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no transform to the template; run "
            "flame preprocess again"
        )
    return evolution_case(patient, *tissues(to_template @ affine, SHAPE), centre)


@TASKS.register("evolution")
class EvolutionTask(Task[Cases[EvolutionCase]]):
    """Forecasts the tumour on later days under the radiotherapy that was given.

    See ``flame.models.evolution.mechanistic`` and ``flame.models.evolution.learned``. ``shared``
    holds the weights of the ``mixture`` (group, set) and the ``efficacy`` (2,) of the ions, or the
    sums of growth; the ``calibration`` (3,) and the number of patients behind it, ``calibrated``;
    and a description of the training patients: the ``longest`` follow-up in days from the baseline,
    the counts of ``radiations`` (3,), and the moments of ``out_of_distribution.FEATURES``.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    name = "evolution"
    fixed_rounds = True
    title = "Tumour evolution and generalisation"
    metrics = (
        "changed dice",
        "dice",
        "hd95",
        "surface dice",
        "volume error",
        "new growth AP",
        "crps",
        "covered 50",
        "covered 90",
    )
    evaluation = "forecasts"
    strata = ("horizon", "trend")
    learns_in_rounds = True
    reads_predicted_masks = True

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.settings = config.evolution
        self.parts = LEARNED[self.settings.model]
        # The band of growth is Student's, and needs no patients of its own.
        self.calibration = 0 if "growth" in self.parts else self.settings.calibration
        self.rounds = config.training.rounds if "network" in self.parts else 0
        self._model: Any = None
        self._examples: dict[Any, Any] = {}

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of every task, and that centres can learn ``evolution.model``."""
        yield from super().rules()
        models = ", ".join(LEARNED)
        yield self.config.evolution.model in LEARNED, f"evolution.model: one of {models}"
        yield (
            self.config.evolution.model != "surface" or self.config.privacy.least_patients != 2,
            "privacy.least_patients = 2: a sum and a sum of squares of two patients tell both; set "
            "1, or 3 and more",
        )

    def view(self) -> View:
        """Return the view that resamples scans, masks and doses to a cube around the tumour."""
        from flame.preprocessing.cohort.tumour_cube import around_tumour

        return around_tumour

    @property
    def model(self) -> Any:
        """The model; Keras is imported at first use, as the coordinator does not need it."""
        if self._model is None:
            if "growth" in self.parts:
                self._model = Surface()
            else:
                self._model = Mechanistic() if self.rounds == 0 else self._network()
        return self._model

    def _network(self) -> Any:
        from flame.models.evolution.learned import Hybrid, UNetEvolution

        kind = Hybrid if "mixture" in self.parts else UNetEvolution
        return kind(self.settings.steps, self.settings.batch_size, self.settings.filters)

    def patients(self, cohort: Cohort) -> Cases[EvolutionCase]:
        """Build a case of each patient with a mask to start from and a later one.

        Args:
            cohort: the cohort of a centre, reduced by ``view``.

        Returns:
            The cases of each patient, and why patients have none.

        Raises:
            BadInput: no patient of the centre has a mask to start from and a later one, with what
                the model needs.
        """
        cases = list[tuple[EvolutionCase, ...]]()
        left_out = list[str]()
        for patient in cohort.patients:
            case, reason = self._followed(patient, cohort.centre)
            cases.append((case,) if case else ())
            if reason:
                left_out.append(reason)
        if not any(cases):
            reasons = "; ".join(sorted(set(left_out))) or "no patients"
            raise BadInput(f"centre {cohort.centre}: no patient to learn from ({reasons})")
        names = tuple(p.pseudonym for p in cohort.patients)
        return Cases(cohort.centre, names, tuple(cases), tuple(left_out))

    def _followed(self, patient: Patient, centre: str) -> tuple[EvolutionCase | None, str]:
        """Return the case of a patient, or why the patient has none, without naming the patient."""
        if patient.left_out:
            return None, patient.left_out
        try:
            case = case_of(patient, centre)
        except BadInput as error:
            return None, str(error).split(patient.pseudonym)[-1].strip(" :")
        for needed in NEEDS[self.settings.model]:
            if needed == "dose" and case.untold_dose:
                return None, f"{case.untold_dose} (this model reads it before radiotherapy)"
            if needed == "plan" and (case.treatment is None or case.dose is None):
                return None, "no radiotherapy plan or no dose, which the U-Net reads"
        latest_day = self.settings.latest_day or math.inf
        later = tuple((day, mask) for day, mask in case.later if day <= latest_day)
        if not later:
            until = f" and until day {latest_day}" if self.settings.latest_day else ""
            return None, f"no tumour mask after the one to start from{until}"
        return replace(case, later=later), ""

    def initial_weights(self, patients: Cases[EvolutionCase], seed: int) -> Weights:
        """Return initial weights of the network; none for the mechanistic model."""
        if self.rounds == 0:
            return []
        from flame.models.segmentation.initial_weights import initial_weights

        return initial_weights(self.model.network, seed)

    def network(self) -> Any:
        """Return the Keras network, or None for the mechanistic model."""
        return self.model.network if self.rounds else None

    def weight_names(self) -> tuple[str, ...]:
        """Return the paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights) if self.rounds else ()

    @staticmethod
    def mechanistic(model: Any) -> Mechanistic | None:
        """Return the mechanistic part of a model.

        Args:
            model: any model of evolution.

        Returns:
            The mechanistic part of a hybrid, or a mechanistic model itself; None for other models.
        """
        part = getattr(model, "mechanistic", model)
        return part if isinstance(part, Mechanistic) else None

    def load(self, weights: Weights, shared: Shared) -> Calibrated:
        """Load what a training learned into the model.

        Args:
            weights: weights of the network; empty for the mechanistic model.
            shared: arrays that all sites share.

        Returns:
            The calibrated model. Without ``calibration`` in ``shared``, forecasts are unchanged.
        """
        if "growth" in self.parts and "curves" in shared:
            if np.ndim(shared["curves"]) != _CURVES:
                raise BadInput(_EARLIER_VERSION)
            self.model.learn(shared)
        if "mixture" in self.parts and "mixture" in shared:
            if not np.array_equal(shared.get("grid", ()), GRID):
                raise BadInput(_EARLIER_VERSION)
            efficacy = dict(zip(IONS, map(float, shared["efficacy"]), strict=True))
            mechanistic = self.mechanistic(self.model)
            assert mechanistic is not None
            mechanistic.mixture = Mixture(np.asarray(shared["mixture"]), efficacy)
        if self.rounds:
            self.model.weights = list(weights)
        calibration = Calibration(*map(float, shared.get("calibration", (1.0, 1.0, 1.0))))
        return Calibrated(self.model, self.calibration, calibration)

    def reply(self, patients: list[Cases[EvolutionCase]], query: Query) -> Message:
        """Reply to ``growth``, ``mixture``, ``calibration`` and ``described`` with sums.

        With ``least_patients`` above 1 no sum is by MGMT status, a radiation of fewer patients
        counts as none and has an efficacy of 1, moments of fewer values are not sent, and the band
        is calibrated on groups of as many.
        """
        cases = [case for p in patients for case in p.flat]
        least = self.config.privacy.least_patients
        if query.name == "mixture":
            messages = query.parameters["trials"]
            few = radiation_counts(cases) < least
            known = {str(r) for r, rare in zip(Radiation, few, strict=True) if not rare}
            trials = [
                # Of an ion that few received, the sums would differ by these patients.
                Trial(
                    _by_ion({r: e if r in known else 1.0 for r, e in t["efficacy"].items()}),
                    t.get("weights"),
                )
                for t in messages
            ]
            by_mgmt = least == 1
            return {"sums": [Mechanistic().reply(cases, trials, by_mgmt)] if cases else []}
        if query.name == "growth":
            if len(cases) < least:
                return {"patients": np.zeros(3)}
            return Surface().sums(cases, _dealt(patients, least) if least > 1 else ())
        if query.name == "calibration":
            sums = summed(self.load(query.weights, query.shared).model, cases)
            counts = np.array([together(side, least) for side in sums.counts])
            return {"counts": counts, "entropy": sums.entropy}
        if query.name == "described":
            moments = asdict(summarise(np.array([features(c) for c in cases]).reshape(-1, _WIDTH)))
            enough = moments["count"] >= least
            moments = {name: np.where(enough, values, 0.0) for name, values in moments.items()}
            counts = radiation_counts(cases)
            radiations = np.where(counts < least, 0.0, counts)
            longest = longest_common(cases, least)
            return {**moments, "radiations": radiations, "longest": longest}
        raise self.unknown(query)

    def train(self, patients: list[Cases[EvolutionCase]], request: TrainRequest) -> Trained:
        """Train one round: a share of ``evolution.steps`` along the cosine of the learning rate."""
        self.load(request.weights, request.shared)
        cases = [case for p in patients for case in p.flat]
        if not cases:  # all patients of this site are held out for calibration
            return Trained(list(request.weights), 0.0, 0)
        steps, part = share_of(self.settings.steps, request.number, self.rounds)
        examples = self._examples_of(cases, request.shared)
        loss = self.model.train(examples, steps, part, request.rng, request.correction)
        return Trained(self.model.weights, loss, steps)

    def _examples_of(self, cases: list[EvolutionCase], shared: Shared) -> Any:
        """Return training examples, cached: mechanistic forecasts take longer than a round."""
        version = tuple(shared[k].tobytes() for k in sorted(shared))
        key = (version, *map(id, cases))
        if key not in self._examples:
            if not any(cached[0] == version for cached in self._examples):
                self._examples.clear()  # the cached examples belong to another training
            self._examples[key] = cases, self.model.examples(cases)  # the cases keep their ids
        return self._examples[key][1]

    def score(self, patients: Cases[EvolutionCase], weights: Weights, shared: Shared) -> Scored:
        """Average the Dice of the most likely mask over days, and then over patients."""
        model = self.load(weights, shared)
        by_patient = []
        for case in patients.flat:
            forecasts = model.forecast(case, tuple(day for day, _ in case.later))
            pairs = zip(forecasts, case.later, strict=True)
            by_patient.append([dice(f.mask, np.asarray(truth) > 0) for f, (_, truth) in pairs])
        return scored_dice(by_patient)

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Describe the training patients, and learn the mixture if the model has one."""
        if start:
            return start
        shared = _description(send("described", {}))
        if "growth" in self.parts:
            return {**shared, **_added(send("growth", {}))}
        if "mixture" not in self.parts:
            return shared

        def query_sums(trials: list[Trial]) -> list[list[Any]]:
            replies = send("mixture", {"trials": [_as_message(t) for t in trials]})
            return [sums for reply in replies for sums in reply["sums"]]

        mixture = learned(query_sums, len(ALPHAS))
        efficacy = np.array([mixture.efficacy[r] for r in IONS])
        return {**shared, "mixture": mixture.weights, "efficacy": efficacy, "grid": GRID}

    def finish(self, send: SendQuery, weights: Weights, shared: Shared, whole: bool) -> Shared:
        """Calibrate the forecasts on the calibration patients of all centres."""
        if not self.calibration:
            return shared
        replies = send("calibration", {}, weights, shared, calibrating=True)
        first, *rest = [Sums(r["counts"], r["entropy"]) for r in replies]
        total = sum(rest, first)
        if not total.counts.sum():
            raise BadInput(
                "no patient is held out to calibrate the forecasts; lower evolution.calibration or "
                "add patients with follow-up"
            )
        calibration = total.calibration()
        factors = [calibration.low, calibration.high, calibration.temperature]
        calibrated = np.array(total.counts[0].sum())
        return {**shared, "calibration": np.array(factors), "calibrated": calibrated}

    def summary(
        self, cohorts: list[Cohort], patients: list[Cases[EvolutionCase]]
    ) -> tuple[list[Row], list[str]]:
        """Count patients by radiation and centre; warn about calibration and confounding."""
        folds = self.config.training.folds
        for centre in patients if self.calibration else []:
            _check_enough_to_calibrate(centre, folds)
        rows, warnings = counted(patients)
        radiations = np.array([radiation_counts(p.flat) for p in patients])
        for row, cohort, counts in zip(rows, cohorts, radiations, strict=True):
            row |= {str(r): int(n) for r, n in zip(Radiation, counts, strict=True)}
            days = sum(t.predicted for p in cohort.patients for t in p.timepoints)
            if days:
                warnings.append(
                    f"centre {cohort.centre}: on {days} days a model drew the tumour, not a person"
                )
        warnings += confounding(radiations)
        courses = [c.treatment for p in patients for c in p.flat]
        warnings += carbon_conventions(course for course in courses if course)
        after = sum(not c.is_ahead for p in patients for c in p.flat)
        if after:
            warnings.append(
                f"{after} patients start from a day after radiotherapy, or their course is unknown"
            )
        calibrating = sum(len(p.labelled) for p in patients) // self.settings.calibration
        if self.calibration and calibrating < LEAST_CALIBRATING:
            warnings.append(
                f"{calibrating} patients calibrate the 90 % band of the federated model: with "
                f"fewer than {LEAST_CALIBRATING} the band has no limit"
            )
        return rows, warnings

    def _training_text(self) -> str:
        if self.rounds:
            return f"network, {self.rounds} rounds of {self.config.federation.strategy}"
        if "growth" in self.parts:
            return "mixed-effects growth of the volume, from sums of the centres"
        return "mixture by EM from sums of the centres"

    def _band_text(self) -> str:
        if "growth" in self.parts:
            return "The 90 % band is Student's, from the spread of the training patients."
        return (
            "The 90 % band is calibrated on patients held out from training. It is meant to cover "
            "the whole course of 90 % of new patients who resemble them; for others the coverage "
            "can be lower."
        )

    def texts(self) -> TaskTexts:
        """Return how a report words this task."""
        return TaskTexts(
            outcome="gross tumour volume drawn on later days",
            predictors="tumour masks and their days"
            if "growth" in self.parts
            else "T1, T1C, T2 and FLAIR, tumour mask and radiotherapy plan",
            missing="days that lack a required input are left out and counted",
            training=self._training_text(),
            output="probability of tumour by voxel, volume with a 90 % band",
            limits=[
                "Forecasts are for the radiotherapy that was given. The effect of another "
                "radiotherapy cannot be observed in patients.",
                self._band_text(),
                "The bands of the baselines (persistence repeats the last mask) are the errors of "
                "the baselines on training patients.",
            ],
            strata=(
                "By horizon and by trend",
                "A tumour counts as grown or shrunk if its volume changes by more than 25 %.",
            ),
            failures="patient by patient",
        )


def _dealt(patients: list[Cases[EvolutionCase]], least: int) -> list[str]:
    """Return the group of each case: that which a site has dealt once, in every training the same.

    In a simulation nobody deals, and the patients of a training form groups in their order.
    """
    persons = [
        f"{p.centre} {person}"
        for p in patients
        for person, cases in zip(p.persons or p.pseudonyms, p.cases, strict=True)
        for _ in cases
    ]
    if min(Counter(persons).values()) >= least:
        return persons
    last = len(persons) // least - 1  # which takes those who are left, too
    return [str(min(place // least, last)) for place in range(len(persons))]


def _added(replies: list[Message]) -> Shared:
    """Add the sums of all centres; those of a centre with too few patients are empty."""
    told = [r for r in replies if "curves" in r]
    if not told:
        raise BadInput("no centre has privacy.least_patients patients: no growth can be learned")
    return {name: np.sum([r[name] for r in told], axis=0) for name in told[0]}


def longest_common(cases: list[EvolutionCase], least: int) -> int:
    """Return the longest follow-up that at least ``least`` patients have.

    Args:
        cases: patients.
        least: least number of patients behind any number that a site sends.

    Returns:
        Days from the baseline; 0 if there are fewer patients.
    """
    followed = (max((day - c.day for day, _ in c.later), default=0) for c in cases)
    longest = sorted(followed, reverse=True)
    return longest[max(least, 1) - 1] if len(longest) >= max(least, 1) else 0


def _check_enough_to_calibrate(patients: Cases[EvolutionCase], folds: int) -> None:
    count = len(patients.labelled)
    largest_fold = -(-count // folds)
    if count - largest_fold < LEAST_TRAINING:
        raise BadInput(
            f"centre {patients.centre} has {count} patients with follow-up: with a fold held out "
            f"fewer than {LEAST_TRAINING} are left to train and to calibrate; leave the centre out"
        )


def _description(replies: list[Message]) -> Shared:
    """Describe the training patients of all centres."""
    moments = merge([Moments(a["count"], a["mean"], a["sum_sq_dev"]) for a in replies])
    radiations = np.sum([a["radiations"] for a in replies], axis=0)
    longest = np.array(max(a["longest"] for a in replies))
    return {**asdict(moments), "radiations": radiations, "longest": longest}


def _by_ion(efficacy: dict[str, float]) -> dict[Radiation, float]:
    return {Radiation(name): float(value) for name, value in efficacy.items()}


def _as_message(trial: Trial) -> Message:
    message: Message = {"efficacy": {str(r): e for r, e in trial.efficacy.items()}}
    return message if trial.weights is None else {**message, "weights": trial.weights}

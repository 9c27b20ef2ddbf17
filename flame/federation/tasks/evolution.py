"""Tumour evolution: the mixture by sums, the network by rounds, the calibration by sums again."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.core.scores import Correction, Scored, Trained, Weights
from flame.core.treatment import Radiation
from flame.federation.config import TrainConfig
from flame.federation.task import TASKS, Ask, Message, Shared, share_of
from flame.models.evolution.calibrated import Calibrated, Calibration, Sums, summed
from flame.models.evolution.cases import evolution_case
from flame.models.evolution.mechanistic import ALPHAS, Mechanistic
from flame.models.evolution.mixture import Mixture, Trial, learned
from flame.models.evolution.model import EvolutionCase
from flame.models.evolution.out_of_distribution import FEATURES, features, radiation_counts
from flame.models.segmentation.case_table import Cases, dice, scored_dice
from flame.preprocessing.cohort.tumour_cube import SHAPE
from flame.preprocessing.harmonisation.standardisation import Moments, merge, summarise
from flame.preprocessing.stages.atlas_registration import tissues

LEARNED = {"mechanistic": ("mixture",), "U-Net": ("network",), "hybrid": ("mixture", "network")}
"""What each model that can be trained over centres consists of."""
_WIDTH = len(FEATURES)
IONS = (Radiation.PROTON, Radiation.CARBON)


def case_of(patient: Patient, centre: str) -> EvolutionCase:
    """The case of a patient on a tumour cube; BadInput, which names the patient, without one."""
    affine = next((t.tumour.affine for t in patient.timepoints if t.tumour is not None), np.eye(4))
    return evolution_case(patient, *tissues(affine, SHAPE), centre)


@TASKS.register("evolution")
class EvolutionTask:
    """See ``flame.models.evolution.mechanistic`` and ``flame.models.evolution.learned``.

    ``shared`` are the mixture and the ions' efficacy, the calibration, and what the training
    patients were like: the last day followed, radiations, moments of ``novelty.FEATURES``.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config.evolution
        if self.config.model not in LEARNED:
            raise BadInput(f"evolution.model: one of {', '.join(LEARNED)}")
        self.calibration = self.config.calibration
        self.parts = LEARNED[self.config.model]
        self.rounds = config.training.rounds if "network" in self.parts else 0
        self._model: Any = None
        self._examples: dict[Any, Any] = {}

    @property
    def model(self) -> Any:
        """The model; Keras is imported where it is used, which is not at the coordinator."""
        if self._model is None:
            self._model = Mechanistic() if self.rounds == 0 else self._network()
        return self._model

    def _network(self) -> Any:
        from flame.models.evolution.learned import Hybrid, UNetEvolution

        kind = Hybrid if "mixture" in self.parts else UNetEvolution
        return kind(self.config.steps, self.config.batch_size, self.config.filters)

    def patients(self, cohort: Cohort) -> Cases[EvolutionCase]:
        """A case of every patient who has what it takes; BadInput where nobody has."""
        cases, left_out = list[tuple[EvolutionCase, ...]](), list[str]()
        for patient in cohort.patients:
            case, reason = self._followed(patient, cohort.centre)
            cases.append((case,) if case else ())
            if reason:
                left_out.append(reason)
        if not any(cases):
            reasons = "; ".join(sorted(set(left_out))) or "no patients"
            raise BadInput(f"centre {cohort.centre}: nobody to learn from ({reasons})")
        names = tuple(p.pseudonym for p in cohort.patients)
        return Cases(cohort.centre, names, tuple(cases), tuple(left_out))

    def _followed(self, patient: Patient, centre: str) -> tuple[EvolutionCase | None, str]:
        """The patient's case, or why there is none; the reason names nobody."""
        if patient.left_out:
            return None, patient.left_out
        try:
            case = case_of(patient, centre)
        except BadInput as error:
            return None, str(error).split(patient.pseudonym)[-1].strip(" :")
        last = self.config.latest_day
        later = tuple(x for x in case.later if x[0] <= last)
        if not later:
            return None, f"no tumour mask after the baseline and until day {last}"
        return replace(case, later=later), ""

    def initial_weights(self, patients: Cases[EvolutionCase], seed: int) -> Weights:
        """Weights of the network; none for the mechanistic model."""
        if self.rounds == 0:
            return []
        from flame.models.segmentation.initial_weights import initial_weights

        return initial_weights(self.model.network, seed)

    def network(self) -> Any:
        """See ``Task``."""
        return self.model.network if self.rounds else None

    def weight_names(self) -> tuple[str, ...]:
        """Paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights) if self.rounds else ()

    @staticmethod
    def mechanistic(model: Any) -> Mechanistic | None:
        """The mechanistic part of a model, which is itself, or None."""
        part = getattr(model, "mechanistic", model)
        return part if isinstance(part, Mechanistic) else None

    def load(self, weights: Weights, shared: Shared) -> Calibrated:
        """The model as trained, calibrated."""
        if "mixture" in self.parts and "mixture" in shared:
            efficacy = dict(zip(IONS, map(float, shared["efficacy"]), strict=True))
            part = self.mechanistic(self.model)
            assert part is not None
            part.mixture = Mixture(np.asarray(shared["mixture"]), efficacy)
        if self.rounds:
            self.model.weights = list(weights)
        calibration = Calibration(*map(float, shared.get("calibration", (1.0, 1.0, 1.0))))
        return Calibrated(self.model, self.calibration, calibration)

    def answer(
        self,
        patients: list[Cases[EvolutionCase]],
        question: str,
        given: Message,
        weights: Weights,
        shared: Shared,
    ) -> Message:
        """Sums of the EM, of the calibration, or what radiotherapy was given and until when."""
        cases = [case for p in patients for case in p.flat]
        if question == "mixture":
            trials = [Trial(_by_ion(t["efficacy"]), t.get("weights")) for t in given["trials"]]
            return {"sums": [Mechanistic().answer(cases, trials)] if cases else []}
        if question == "calibration":
            sums = summed(self.load(weights, shared).model, cases)
            return {"counts": sums.counts, "entropy": sums.entropy}
        if question == "described":
            moments = asdict(summarise(np.array([features(c) for c in cases]).reshape(-1, _WIDTH)))
            last = max((day for c in cases for day, _ in c.later), default=0)
            return {**moments, "radiations": radiation_counts(cases), "last_day": last}
        raise BadInput(f"a site was asked for '{question}', which it does not answer")

    def train(
        self,
        patients: list[Cases[EvolutionCase]],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
        correction: Correction,
    ) -> Trained:
        """One part of ``evolution.steps``, along the learning rate's cosine."""
        self.load(weights, shared)
        cases = [case for p in patients for case in p.flat]
        if not cases:  # all of this site's patients calibrate
            return Trained(list(weights), 0.0, 0)
        learned = tuple(shared[k].tobytes() for k in sorted(shared))
        key = (learned, *map(id, cases))
        if key not in self._examples:  # the mechanistic forecasts cost more than a round
            if not any(known[0] == learned for known in self._examples):
                self._examples.clear()  # another training
            self._examples[key] = self.model.examples(cases)
        steps, part = share_of(self.config.steps, number, self.rounds)
        loss = self.model.train(self._examples[key], steps, part, rng, correction)
        return Trained(self.model.weights, loss, steps)

    def score(self, patients: Cases[EvolutionCase], weights: Weights, shared: Shared) -> Scored:
        """The mean Dice over days of the most likely mask."""
        model = self.load(weights, shared)
        found = []
        for case in patients.flat:
            forecasts = model.forecast(case, tuple(day for day, _ in case.later))
            pairs = zip(forecasts, case.later, strict=True)
            found.append([dice(f.mask, np.asarray(truth) > 0) for f, (_, truth) in pairs])
        return scored_dice(found)

    def prepare(self, ask: Ask, start: Shared) -> Shared:
        """The mixture over all centres, where the model has one."""
        if start:
            return start
        shared = _description(ask("described", {}))
        if "mixture" not in self.parts:
            return shared

        def put(trials: list[Trial]) -> list[list[Any]]:
            answers = ask("mixture", {"trials": [_as_message(t) for t in trials]})
            return [sums for answer in answers for sums in answer["sums"]]

        found = learned(put, len(ALPHAS))
        efficacy = np.array([found.efficacy[r] for r in IONS])
        return {**shared, "mixture": found.weights, "efficacy": efficacy}

    def finish(self, ask: Ask, weights: Weights, shared: Shared) -> Shared:
        """The calibration over all centres."""
        answers = ask("calibration", {}, weights, shared, calibrating=True)
        first, *rest = [Sums(a["counts"], a["entropy"]) for a in answers]
        total = sum(rest, first)
        if not total.counts.sum():
            raise BadInput(
                "nobody is left to calibrate the forecasts; lower evolution.calibration or add "
                "patients with follow-up"
            )
        found = total.calibration()
        return {**shared, "calibration": np.array([found.low, found.high, found.temperature])}


def _description(answers: list[Message]) -> Shared:
    """What the training patients of all centres were like."""
    moments = merge([Moments(a["count"], a["mean"], a["squares"]) for a in answers])
    radiations = np.sum([a["radiations"] for a in answers], axis=0)
    last_day = np.array(max(a["last_day"] for a in answers))
    return {**asdict(moments), "radiations": radiations, "last_day": last_day}


def _by_ion(efficacy: dict[str, float]) -> dict[Radiation, float]:
    return {Radiation(name): float(value) for name, value in efficacy.items()}


def _as_message(trial: Trial) -> Message:
    message: Message = {"efficacy": {str(r): e for r, e in trial.efficacy.items()}}
    return message if trial.weights is None else {**message, "weights": trial.weights}

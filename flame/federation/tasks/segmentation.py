"""Tumour masks: the U-Net of ``flame.models.segmentation.segmentation``, by rounds."""

from typing import Any

import numpy as np

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.core.scores import Correction, Scored, Trained, Weights
from flame.federation.config import TrainConfig
from flame.federation.task import TASKS, VALIDATION, Ask, Message, NothingAfter, Shared, share_of
from flame.models.segmentation.case_table import Cases, dice, scored_dice
from flame.models.segmentation.cases import (
    REGIONS,
    SegmentationCase,
    segmentation_case,
)


@TASKS.register("segmentation")
class SegmentationTask(NothingAfter):
    """Every day with a drawn tumour is a case; ``shared`` counts those that show each region."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.rounds = config.segmentation, config.training.rounds
        self.calibration = config.training.validation
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model; Keras is imported where it is used, which is not at the coordinator."""
        if self._model is None:
            from flame.models.segmentation.segmentation import SegmentationModel

            self._model = SegmentationModel(self.config)
        return self._model

    def patients(self, cohort: Cohort) -> Cases[SegmentationCase]:
        """The days with a drawn tumour; BadInput where nobody has one."""
        cases = tuple(
            tuple(
                segmentation_case(t)
                for t in p.timepoints
                if t.tumour is not None and t.scans and not t.predicted
            )
            for p in cohort.patients
        )
        if not any(cases):
            raise BadInput(
                f"centre {cohort.centre}: no drawn tumour to learn from; add RT Structure Sets or "
                "SEG files with a GTV to its DICOM folder"
            )
        names = tuple(p.pseudonym for p in cohort.patients)
        left_out = tuple("no drawn tumour" for own in cases if not own)
        return Cases(cohort.centre, names, cases, left_out)

    def initial_weights(self, patients: Cases[SegmentationCase], seed: int) -> Weights:
        """Weights of the network."""
        weights: Weights = self.model.build(seed)
        return weights

    def network(self) -> Any:
        """See ``Task``."""
        return self.model.network

    def weight_names(self) -> tuple[str, ...]:
        """Paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights)

    def answer(
        self,
        patients: list[Cases[SegmentationCase]],
        question: str,
        given: Message,
        weights: Weights,
        shared: Shared,
    ) -> Message:
        """How many cases show each region, or sums of 1 - Dice over cases kept apart."""
        if question == VALIDATION:
            found = [
                d for p in patients for own in p.cases for d in self._dice(own, weights, shared)
            ]
            lost = [1 - d for d in found if np.isfinite(d)]
            return {"loss": float(sum(lost)), "count": len(lost)}
        if question == "regions":
            cases = [case for p in patients for case in p.flat]
            return {"cases": sum((c.known for c in cases), np.zeros(len(REGIONS)))}
        raise BadInput(f"a site was asked for '{question}', which it does not answer")

    def train(
        self,
        patients: list[Cases[SegmentationCase]],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
        correction: Correction,
    ) -> Trained:
        """One part of ``segmentation.steps``, along the learning rate's cosine."""
        cases = [case for p in patients for case in p.flat]
        steps, part = share_of(self.config.steps, number, self.rounds)
        seed = int(rng.integers(2**31))
        trained: Trained = self.model.fit(weights, cases, steps, seed, part, correction)
        return trained

    def _dice(
        self, cases: tuple[SegmentationCase, ...], weights: Weights, shared: Shared
    ) -> list[float]:
        """Dice of every drawn region of every case."""
        found = []
        for case in cases:
            masks = self.model.masks(weights, case.images, taught(shared))
            for region, mask in masks.items():
                truth = case.regions[..., REGIONS.index(region)]
                if truth.min() >= 0:
                    found.append(dice(mask, truth > 0.5))
        return found

    def score(self, patients: Cases[SegmentationCase], weights: Weights, shared: Shared) -> Scored:
        """The mean Dice over regions and days."""
        return scored_dice([self._dice(own, weights, shared) for own in patients.cases])

    def prepare(self, ask: Ask, start: Shared) -> Shared:
        """How many cases show each region, over all centres."""
        return start or {
            "cases": np.sum([answer["cases"] for answer in ask("regions", {})], axis=0)
        }


def taught(shared: Shared) -> tuple[str, ...]:
    """The regions that a training has seen; nothing is known of the others."""
    return tuple(r for r, cases in zip(REGIONS, shared["cases"], strict=True) if cases)

"""The task segmentation: tumour masks by a U-Net that is trained in rounds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort, View
from flame.core.errors import BadInput
from flame.core.scores import Scored, Trained, Weights
from flame.federation.config import TrainConfig
from flame.federation.task import (
    VALIDATION,
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
from flame.federation.tasks.image_summary import counted
from flame.federation.tasks.registry import TASKS
from flame.models.segmentation.case_table import Cases, dice, scored_dice
from flame.models.segmentation.cases import REGIONS, SegmentationCase, segmentation_case


@TASKS.register("segmentation")
class SegmentationTask(Task[Cases[SegmentationCase]]):
    """Predicts the masks of tumour regions; every day with a drawn tumour is a case.

    See ``flame.models.segmentation.segmentation``. ``shared`` holds ``cases`` (3,): the number of
    training cases that show each region of ``REGIONS``.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    name = "segmentation"
    fixed_rounds = True
    title = "Tumour segmentation and generalisation"
    metrics = ("dice", "hd95")
    evaluation = "masks"
    strata = ("region",)
    learns_in_rounds = True
    can_validate = True
    replies_add_up = True

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.settings = config.segmentation
        self.rounds = config.training.rounds
        self.calibration = config.training.validation
        self._model: Any = None

    def view(self) -> View:
        """Return the view that resamples images to ``segmentation.voxel_mm``."""
        from flame.preprocessing.cohort.cohort import at_spacing

        return at_spacing(self.settings.voxel_mm)

    @property
    def model(self) -> Any:
        """The model; Keras is imported at first use, as the coordinator does not need it."""
        if self._model is None:
            from flame.models.segmentation.segmentation import SegmentationModel

            self._model = SegmentationModel(self.settings)
        return self._model

    def patients(self, cohort: Cohort) -> Cases[SegmentationCase]:
        """Build a case of each day with scans and a tumour that a person drew.

        Args:
            cohort: the cohort of a centre, reduced by ``view``.

        Returns:
            The cases of each patient, one for each such day.

        Raises:
            BadInput: no patient of the centre has such a day.
        """
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
        left_out = tuple("no drawn tumour" for days in cases if not days)
        return Cases(cohort.centre, names, cases, left_out)

    def initial_weights(self, patients: Cases[SegmentationCase], seed: int) -> Weights:
        """Return initial weights of the network."""
        weights: Weights = self.model.build(seed)
        return weights

    def network(self) -> Any:
        """Return the Keras network."""
        return self.model.network

    def weight_names(self) -> tuple[str, ...]:
        """Return the paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights)

    def reply(self, patients: list[Cases[SegmentationCase]], query: Query) -> Message:
        """Reply with the number of cases by region, or with sums of 1 - Dice for validation."""
        if query.name == VALIDATION:
            cases = tuple(case for p in patients for case in p.flat)
            overlaps = self._dice(cases, query.weights, query.shared)
            losses = [1 - overlap for overlap in overlaps if np.isfinite(overlap)]
            return {"loss": float(sum(losses)), "count": len(losses)}
        if query.name == "regions":
            cases = tuple(case for p in patients for case in p.flat)
            return {"cases": sum((c.known for c in cases), np.zeros(len(REGIONS)))}
        raise self.unknown(query)

    def train(self, patients: list[Cases[SegmentationCase]], request: TrainRequest) -> Trained:
        """Train one round: a share of ``segmentation.steps`` along the learning rate's cosine."""
        cases = [case for p in patients for case in p.flat]
        steps, part = share_of(self.settings.steps, request.number, self.rounds)
        seed = int(request.rng.integers(2**31))
        trained: Trained = self.model.fit(
            request.weights, cases, steps, seed, part, request.correction
        )
        return trained

    def masks(
        self, images: NDArray[np.float32], weights: Weights, shared: Shared
    ) -> dict[str, NDArray[np.bool_]]:
        """Predict the mask of each region that the training cases show.

        Args:
            images: images (x, y, z, 4) of one day in the order T1, T1C, T2, FLAIR, z-scored within
                the brain, 0 for a missing sequence.
            weights: weights of the network.
            shared: arrays that all sites share.

        Returns:
            Mask (x, y, z) by name of the region.
        """
        masks: dict[str, NDArray[np.bool_]] = self.model.masks(weights, images, taught(shared))
        return masks

    def _dice(
        self, cases: tuple[SegmentationCase, ...], weights: Weights, shared: Shared
    ) -> list[float]:
        """Return the Dice of every drawn region of every case."""
        overlaps = []
        for case in cases:
            masks = self.masks(case.images, weights, shared)
            for region, mask in masks.items():
                truth = case.regions[..., REGIONS.index(region)]
                if truth.min() >= 0:
                    overlaps.append(dice(mask, truth > 0.5))
        return overlaps

    def score(self, patients: Cases[SegmentationCase], weights: Weights, shared: Shared) -> Scored:
        """Average the Dice over the regions and days of a patient, and then over patients."""
        return scored_dice([self._dice(cases, weights, shared) for cases in patients.cases])

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Count the training cases that show each region, over all centres."""
        return start or {"cases": np.sum([reply["cases"] for reply in send("regions", {})], axis=0)}

    def summary(
        self, cohorts: list[Cohort], patients: list[Cases[SegmentationCase]]
    ) -> tuple[list[Row], list[str]]:
        """Count the patients with a drawn tumour by centre."""
        return counted(patients)

    def texts(self) -> TaskTexts:
        """Return how a report words this task."""
        return TaskTexts(
            outcome="regions drawn by readers",
            predictors="T1, T1C, T2 and FLAIR",
            missing="days that lack a required input are left out and counted",
            training=f"network, {self.rounds} rounds of {self.config.federation.strategy}",
            output="masks",
            limits=[
                "Masks are compared on the network's grid, where the contour of a drawn mask is "
                "rounded to whole voxels. A day on which the model misses the tumour altogether "
                "has a Dice of 0 and no HD95.",
            ],
            strata=(
                "By region",
                "The core is the gross tumour volume; the whole tumour includes the oedema.",
            ),
            failures="patient by patient",
        )


def taught(shared: Shared) -> tuple[str, ...]:
    """Select the regions that the network can predict: at least one training case shows them.

    Args:
        shared: arrays that all sites share, with ``cases`` (3,).

    Returns:
        Names of the regions, in the order of ``REGIONS``.

    Example:
        >>> len(REGIONS), taught({"cases": np.array([0, 5, 0])}) == (REGIONS[1],)
        (3, True)
    """
    return tuple(r for r, cases in zip(REGIONS, shared["cases"], strict=True) if cases)

"""Response by a neural network, trained in rounds, on features standardised over all centres."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.config import load_config
from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL
from flame.core.scores import Trained, Weights
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.run_files import CONFIG
from flame.federation.task import VALIDATION, Message, Query, SendQuery, Shared, TrainRequest
from flame.federation.tasks.moments_check import check_moments
from flame.federation.tasks.registry import RESPONSE_MODELS, open_task_of
from flame.federation.tasks.response import ResponseTask
from flame.federation.trainings import final_training
from flame.models.regression.logistic import log_losses
from flame.models.response.inputs import Inputs, concatenate
from flame.preprocessing.harmonisation.standardisation import (
    Moments,
    merge,
    moments_in,
    standardise,
    summarise,
)


@RESPONSE_MODELS.register("network")
class NetworkResponseTask(ResponseTask):
    """Predicts response by a network of an image, a clinical and a radiotherapy branch.

    See ``flame.models.response.network``. ``shared`` holds the moments of the clinical features.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: a rule of the task does not hold.
    """

    name = "response"
    learns_in_rounds = True
    can_validate = True
    replies_add_up = True
    takes_plain_steps = True

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.rounds = config.training.rounds
        self.calibration = config.training.validation
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model; Keras is imported at first use, as the coordinator does not need it."""
        if self._model is None:
            from flame.models.response.network import ResponseModel

            training = self.config.training
            self._model = ResponseModel(
                self.config.model, training.optimizer, training.learning_rate
            )
        return self._model

    def patients(self, cohort: Cohort) -> Inputs:
        """Build the arrays of all patients."""
        independent = self.config.privacy.is_private
        return replace(super().patients(cohort), independent=independent)

    def initial_weights(self, patients: Inputs, seed: int) -> Weights:
        """Return initial weights for images of this shape, with the pre-trained encoder if any."""
        weights: Weights = self.model.build(patients.image.shape[1:], seed)
        if self.config.model.encoder:
            return list(self.model.pretrained(weights, self._unet()))
        return weights

    def network(self) -> Any:
        """Return the Keras network, for images of any size."""
        model = self.config.model
        channels = len(STRUCTURAL) if model.encoder else len(model.sequences)
        self.model.create((None, None, None, channels))
        return self.model.network

    def _unet(self) -> Weights:
        run = Path(self.config.model.encoder)
        path = run / CONFIG
        if not path.exists():
            raise BadInput(f"model.encoder: {run} is not a run folder of flame train")
        run_config = load_config(TrainConfig, path, [])
        # Imported here: tables need no library of images.
        from flame.federation.tasks.segmentation import SegmentationTask

        task = open_task_of(SegmentationTask, run_config, run)
        run_mm = task.settings.voxel_mm
        voxel_mm = self.config.model.voxel_mm
        if run_mm != voxel_mm:
            raise BadInput(
                f"model.encoder: {run} learned at {run_mm:g} mm; set model.voxel_mm to the same "
                f"value (now {voxel_mm:g})"
            )
        name = final_training(run_config.data.centres, run_config.training.seeds[0]).name
        return finished(run, name).state.weights

    def weight_names(self) -> tuple[str, ...]:
        """Return the paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights)

    def input_columns(self) -> tuple[str, ...]:
        """Return the names of the clinical columns."""
        return self.config.model.clinical_columns if self.config.model.clinical else ()

    def reply(self, patients: list[Inputs], query: Query) -> Message:
        """Reply with moments of the clinical features, or the losses of validation patients."""
        if query.name == VALIDATION:
            return self._losses(concatenate(patients), query.weights, self._scales(query.shared))
        if query.name == "moments":
            return asdict(merge([summarise(p.clinical) for p in patients]))
        return super().reply(patients, query)

    def train(self, patients: list[Inputs], request: TrainRequest) -> Trained:
        """Train one round of ``training.epochs`` passes over the patients."""
        inputs = concatenate(patients)
        training = self.config.training
        self.model.create(inputs.image.shape[1:])
        privacy = self.config.privacy
        clip_and_noise = (privacy.clip, privacy.noise) if privacy.level == "patient" else None
        updated: Trained = self.model.fit(
            request.weights,
            inputs,
            _standardised(inputs, self._scales(request.shared)),
            training.epochs,
            training.batch_size,
            request.rng,
            request.correction,
            clip_and_noise,
        )
        return updated

    def predict(self, patients: Inputs, weights: Weights, shared: Shared) -> NDArray[np.float64]:
        """Return the probability (n,) that each patient responds."""
        self.model.create(patients.image.shape[1:])
        predicted: NDArray[np.float64] = self.model.probability(
            weights, patients, _standardised(patients, shared)
        )
        return predicted

    def _losses(self, patients: Inputs, weights: Weights, shared: Shared) -> Message:
        losses = log_losses(self.predict(patients, weights, shared), patients.response)
        return {"loss": float(losses.sum()), "count": len(losses)}

    def prepare(self, send: SendQuery, start: Shared) -> Shared:
        """Merge the moments of all centres, or compute them from ``privacy.bounds`` alone."""
        if self.config.scales_by_bounds:
            return asdict(self._moments_of_bounds())
        if start:
            return asdict(moments_in(start))
        return asdict(merge([Moments(**reply) for reply in send("moments", {})]))

    def _scales(self, shared: Shared) -> Shared:
        """Return the moments that features are scaled by; those of ``privacy.bounds`` if they are.

        Raises:
            Refusal: the moments are not one finite number for each feature.
        """
        if self.config.scales_by_bounds:
            return asdict(self._moments_of_bounds())
        check_moments(shared, len(self.input_columns()))
        return shared

    def _moments_of_bounds(self) -> Moments:
        """Return moments by which the bounds of each feature become z-scores of -2 and 2."""
        bounds = np.array([self.config.privacy.bounds[n] for n in self.config.model.clinical])
        low, high = bounds.reshape(-1, 2).T
        count = np.ones(len(low))
        return Moments(count, (low + high) / 2, ((high - low) / 4) ** 2 * count)

    def training_text(self) -> str:
        """Describe how the network was trained."""
        return f"network, {self.rounds} rounds of {self.config.federation.strategy}"


def _standardised(inputs: Inputs, shared: Shared) -> NDArray[np.float32]:
    return standardise(inputs.clinical, moments_in(shared)).astype(np.float32)

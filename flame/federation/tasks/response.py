"""Response to radiotherapy: a classifier on features standardised over all centres."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.config import load_config
from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.scores import Correction, Scored, Trained, Weights
from flame.federation.checkpoint import finished
from flame.federation.config import CONFIG_FILE, TrainConfig
from flame.federation.task import TASKS, VALIDATION, Ask, Message, NothingAfter, Shared
from flame.federation.trainings import FEDERATED, Federation
from flame.models.regression.discrimination import scored_auc
from flame.models.regression.logistic import log_losses
from flame.models.response.inputs import Inputs, build_inputs, concatenate
from flame.preprocessing.harmonisation.standardisation import Moments, merge, standardise, summarise


@TASKS.register("response")
class ResponseTask(NothingAfter):
    """See ``flame.models.response.network``.

    ``shared`` are the moments of the clinical features.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.rounds = config, config.training.rounds
        self.calibration = config.training.validation
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model; Keras is imported where it is used, which is not at the coordinator."""
        if self._model is None:
            from flame.models.response.network import ResponseModel

            training = self.config.training
            self._model = ResponseModel(
                self.config.model, training.optimizer, training.learning_rate
            )
        return self._model

    def patients(self, cohort: Cohort) -> Inputs:
        """Arrays of all patients."""
        assert self.model is not None  # an unknown optimizer is refused before any training
        return build_inputs(cohort, self.config.model)

    def initial_weights(self, patients: Inputs, seed: int) -> Weights:
        """Weights of the network for images of this shape, its encoder pre-trained if named."""
        weights: Weights = self.model.build(patients.image.shape[1:], seed)
        if self.config.model.encoder:
            return list(self.model.pretrained(weights, self._unet()))
        return weights

    def network(self) -> Any:
        """See ``Task``."""
        model = self.config.model
        channels = len(Sequence) if model.encoder else len(model.sequences)
        self.model.build((None, None, None, channels), 0)
        return self.model.network

    def _unet(self) -> Weights:
        run = Path(self.config.model.encoder)
        path = run / CONFIG_FILE
        if not path.exists():
            raise BadInput(f"model.encoder: {run} is no run folder of flame train")
        trained = load_config(TrainConfig, path, [])
        seen, wanted = trained.segmentation.voxel_mm, self.config.model.voxel_mm
        if trained.task != "segmentation" or seen != wanted:
            raise BadInput(
                f"model.encoder: {run} is a run on {trained.task} at {seen:g} mm; give one on "
                f"segmentation, and its segmentation.voxel_mm to model.voxel_mm (now {wanted:g})"
            )
        name = Federation(FEDERATED, trained.data.centres, trained.training.seeds[0], 0).name
        return finished(run, name).state.weights

    def weight_names(self) -> tuple[str, ...]:
        """Paths of the network's variables."""
        return tuple(v.path for v in self.model.network.weights)

    def answer(
        self,
        patients: list[Inputs],
        question: str,
        given: Message,
        weights: Weights,
        shared: Shared,
    ) -> Message:
        """Counts, means and sums of squares of the clinical features, or losses of patients."""
        if question == VALIDATION:
            return self._losses(concatenate(patients), weights, shared)
        if question != "moments":
            raise BadInput(f"a site was asked for '{question}', which it does not answer")
        return asdict(merge([summarise(p.clinical) for p in patients]))

    def train(
        self,
        patients: list[Inputs],
        weights: Weights,
        shared: Shared,
        number: int,
        rng: np.random.Generator,
        correction: Correction,
    ) -> Trained:
        """One round of ``training.epochs``."""
        inputs, training = concatenate(patients), self.config.training
        self.model.build(inputs.image.shape[1:], 0)
        clinical = _standardised(inputs, shared)
        privacy = self.config.privacy
        private = (privacy.clip, privacy.noise) if privacy.level == "patient" else None
        updated: Trained = self.model.fit(
            weights,
            inputs,
            clinical,
            training.epochs,
            training.batch_size,
            rng,
            correction,
            private,
        )
        return updated

    def predict(self, patients: Inputs, weights: Weights, shared: Shared) -> NDArray[np.float64]:
        """Probability (n,) that each patient responds."""
        self.model.build(patients.image.shape[1:], 0)
        found: NDArray[np.float64] = self.model.probability(
            weights, patients, _standardised(patients, shared)
        )
        return found

    def _losses(self, patients: Inputs, weights: Weights, shared: Shared) -> Message:
        found = log_losses(self.predict(patients, weights, shared), patients.response)
        return {"loss": float(found.sum()), "count": len(found)}

    def score(self, patients: Inputs, weights: Weights, shared: Shared) -> Scored:
        """The AUC."""
        told = self.predict(patients, weights, shared)
        return scored_auc(told, patients.response.astype(float))

    def prepare(self, ask: Ask, start: Shared) -> Shared:
        """Moments over all centres, or under differential privacy those of the bounds."""
        if self.config.privacy.is_private:
            return asdict(self._bounded())
        return start or asdict(merge([Moments(**answer) for answer in ask("moments", {})]))

    def _bounded(self) -> Moments:
        """Moments that put features between their bounds at -2 to 2, whatever patients have."""
        bounds = np.array([self.config.privacy.bounds[n] for n in self.config.model.clinical])
        low, high = bounds.reshape(-1, 2).T
        count = np.ones(len(low))
        return Moments(count, (low + high) / 2, ((high - low) / 4) ** 2 * count)


def _standardised(inputs: Inputs, shared: Shared) -> NDArray[np.float32]:
    return standardise(inputs.clinical, Moments(**shared)).astype(np.float32)

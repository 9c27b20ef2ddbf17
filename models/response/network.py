"""Response classifier from a 3-D image, clinical features and radiotherapy, each optional.

Radiotherapy modulates the image features (FiLM), as the effect of a dose depends on the tumour.

Reference:
    Perez et al. 2018, arXiv:1709.07871 (FiLM).
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.core.errors import BadInput
from flame.core.keras_import import keras
from flame.core.scores import Correction, Trained, Weights
from flame.models.response.dp_sgd import PrivateSteps
from flame.models.response.inputs import TREATMENT_FEATURES, Inputs, ResponseModelConfig
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.local_optimizer import LocalOptimizer
from flame.models.segmentation.unet import encoder

layers = keras.layers

ENCODER = "encoder"
"""Name of the layer that holds the encoder of a segmentation network."""


class ResponseModel:
    """Keras model of response with a reproducible training loop.

    Its output is the logit of response: a linear function of the joined features, after a hidden
    layer if ``hidden`` is above 0. It uses no batch normalisation, as batch statistics cannot be
    averaged over centres.

    Args:
        config: branches and their size.
        optimizer: name of a Keras optimiser.
        learning_rate: learning rate.

    Raises:
        ValueError: Keras does not know the optimiser.

    Example:
        >>> model = ResponseModel(ResponseModelConfig(clinical=("age",)), "sgd", 0.1)
        >>> [w.shape for w in model.build((), seed=0)]  # a logistic regression
        [(1, 1), (1,)]
    """

    def __init__(self, config: ResponseModelConfig, optimizer: str, learning_rate: float) -> None:
        self.config = config
        self.optimizer = keras.optimizers.get(optimizer)
        self.optimizer.learning_rate = learning_rate
        self.network: Any = None

    def build(self, image_shape: tuple[int, ...], seed: int) -> Weights:
        """Create the network if it does not exist yet, and draw its initial weights.

        Args:
            image_shape: shape (x, y, z, sequence) of an image.
            seed: seed of the weights.

        Returns:
            Initial weights, in the order of ``network.weights``.

        Raises:
            BadInput: the configuration names no input.
        """
        self.create(image_shape)
        return initial_weights(self.network, seed)

    def create(self, image_shape: tuple[int, ...]) -> None:
        """Create the network if it does not exist yet.

        Args:
            image_shape: shape (x, y, z, sequence) of an image.

        Raises:
            BadInput: the configuration names no input.
        """
        if self.network is None:
            self.network = _network(self.config, image_shape)
            self.network.compile(
                self.optimizer,
                keras.losses.BinaryCrossentropy(from_logits=True),
                jit_compile=False,
            )
            self._local = LocalOptimizer(self.network)

    def pretrained(self, weights: Weights, unet: Weights) -> Weights:
        """Replace the encoder's weights by those of a segmentation network.

        Args:
            weights: weights of this network.
            unet: weights of the U-Net; its first arrays are those of the encoder.

        Returns:
            Weights of this network with the pretrained encoder.

        Raises:
            BadInput: the shapes differ.
        """
        encoder_weights = self.network.get_layer(ENCODER).weights
        place = {id(variable): i for i, variable in enumerate(self.network.weights)}
        pretrained = list(weights)
        for variable, learned in zip(encoder_weights, unet, strict=False):
            if tuple(variable.shape) != learned.shape:
                raise BadInput(
                    "model.encoder: its network has another width; set model.filters to "
                    "segmentation.filters of that run"
                )
            pretrained[place[id(variable)]] = learned
        return pretrained

    def fit(
        self,
        weights: Weights,
        inputs: Inputs,
        clinical: NDArray[np.float32],
        epochs: int,
        batch_size: int,
        rng: np.random.Generator,
        correction: Correction | None = None,
        private: tuple[float, float] | None = None,
    ) -> Trained:
        """Train for a number of epochs; the optimiser starts from its initial state.

        Args:
            weights: weights that training starts from.
            inputs: training patients, all of known response.
            clinical: standardised clinical features (n, feature) without NaN.
            epochs: number of epochs.
            batch_size: patients per batch; 0: all in one batch.
            rng: random numbers of batches and of reflections.
            correction: correction of gradients; None: none.
            private: clipping norm and noise multiplier of DP-SGD; None: plain training.

        Returns:
            New weights, mean loss of the last epoch, and number of batches.
        """
        self._local.restart(weights, correction)
        count = len(inputs.response)
        size = min(batch_size or count, count)
        if private:

            def private_batch(rows: NDArray[np.intp]) -> tuple[list[Any], Any]:
                """Return the inputs and the responses (m,) of some rows."""
                arrays = self._arrays(inputs.take(rows), clinical[rows], rng)
                return arrays, inputs.response[rows]

            return self._private.fit(private_batch, count, size, epochs, *private, rng)
        losses = [0.0]
        steps = 0
        for _ in range(epochs):
            order = rng.permutation(count)
            losses = []
            for start in range(0, count, size):
                rows = order[start : start + size]
                batch = self._arrays(inputs.take(rows), clinical[rows], rng)
                loss = float(self.network.train_on_batch(batch, inputs.response[rows]))
                losses.append(loss * len(rows))
                steps += 1
        new_weights = [np.asarray(w) for w in self.network.get_weights()]
        return Trained(new_weights, float(np.sum(losses) / count), steps)

    @cached_property
    def _private(self) -> PrivateSteps:
        """DP-SGD of the network, cached because it compiles a second network."""
        return PrivateSteps(self.network)

    def probability(
        self, weights: Weights, inputs: Inputs, clinical: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Predict the probability of response.

        Args:
            weights: weights of the network.
            inputs: patients.
            clinical: standardised clinical features (n, feature) without NaN.

        Returns:
            Probability (n,) of each patient.
        """
        self.network.set_weights(weights)
        logits = self.network.predict_on_batch(self._arrays(inputs, clinical, None))
        return np.asarray(expit(np.asarray(logits, float)[:, 0]))

    def _arrays(
        self, inputs: Inputs, clinical: NDArray[np.float32], rng: np.random.Generator | None
    ) -> list[NDArray[np.float32]]:
        """Return the network's input arrays; with ``rng``, images are augmented for training."""
        image = inputs.image
        if rng is not None and self.config.sequences and rng.random() < 0.5:
            image = image[:, ::-1]  # augmentation by left-right reflection
        arrays = []
        if self.config.sequences:
            arrays.append(image)
        if self.config.clinical:
            arrays.append(clinical)
        if self.config.treatment:
            arrays.append(inputs.treatment)
        return arrays


def _network(config: ResponseModelConfig, image_shape: tuple[int, ...]) -> Any:
    """Build the Keras model from its inputs to the logit (n, 1) of response."""
    penalty = keras.regularizers.L2(config.l2) if config.l2 else None
    inputs = []
    features = []
    dose = None
    if config.sequences:
        image = keras.Input(image_shape, name="image")
        inputs.append(image)
    if config.clinical:
        clinical = keras.Input((len(config.clinical_columns),), name="clinical")
        inputs.append(clinical)
        features.append(clinical)
    if config.treatment:
        dose = keras.Input((len(TREATMENT_FEATURES),), name="treatment")
        inputs.append(dose)
        features.append(dose)
    if config.encoder:
        image_encoder = encoder(image_shape[-1], config.filters)
        image_encoder.name = ENCODER
        features.append(_pooled(image_encoder(image)))
    elif config.sequences:
        features.append(_image_features(image, dose, config.filters, penalty))
    if not features:
        raise BadInput("the model has no input: set model.sequences, clinical or treatment")
    joined = layers.Concatenate()(features) if len(features) > 1 else features[0]
    if config.hidden:
        # Its weights are drawn elsewhere; drawing them here too would need twice their memory.
        hidden = layers.Dense(
            config.hidden, "relu", kernel_initializer="zeros", kernel_regularizer=penalty
        )
        joined = hidden(joined)
    return keras.Model(inputs, layers.Dense(1, kernel_regularizer=penalty)(joined))


def _image_features(image: Any, dose: Any, filters: int, penalty: Any) -> Any:
    """Return pooled features (n, 8 filters) of the image, modulated by radiotherapy (FiLM)."""
    x = image
    for level in range(3):
        width = filters * 2**level
        x = layers.Conv3D(width, 3, 2, "same", kernel_regularizer=penalty)(x)
        x = layers.GroupNormalization(4)(x)
        if dose is not None and level == 2:
            scale = layers.Reshape((1, 1, 1, width))(layers.Dense(width)(dose))
            shift = layers.Reshape((1, 1, 1, width))(layers.Dense(width)(dose))
            x = x + x * scale + shift
        x = layers.Activation("relu")(x)
    return _pooled(x)


def _pooled(x: Any) -> Any:
    """Return the mean and the maximum of each feature over the voxels, side by side."""
    return layers.Concatenate()(
        [layers.GlobalAveragePooling3D()(x), layers.GlobalMaxPooling3D()(x)]
    )

"""The network as a class, the form that NVIDIA FLARE's recipe requires."""

import keras
from local_training import network


class Network(keras.Model):
    """The network of ``local_training``, with its layers at the top level."""

    def __init__(self, hidden: int) -> None:
        inner = network(hidden)
        super().__init__(inner.inputs, inner.outputs)

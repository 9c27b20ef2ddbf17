"""The network as a class, which is how NVIDIA FLARE's recipe is told of one."""

import keras
from local_training import network


class Network(keras.Model):
    """That of ``local_training``, with its layers as its own."""

    def __init__(self, hidden: int) -> None:
        inner = network(hidden)
        super().__init__(inner.inputs, inner.outputs)

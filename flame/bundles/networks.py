"""Writes the network of a model for other programs: Keras and ONNX."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np

from flame.bundles.model import Model
from flame.core.files import atomic_path
from flame.federation.networks import save_network


def write_networks(model: Model, folder: Path) -> None:
    """Write the network of each seed as .keras and .onnx; nothing for a model without one.

    Args:
        model: the model.
        folder: folder to write to.
    """
    network = model.task.network()
    if network is None:
        return
    for seed, (weights, _) in zip(model.config.training.seeds, model.seeds, strict=True):
        plain = save_network(network, weights, folder / f"seed-{seed}.keras")
        _write_onnx(plain, folder / f"seed-{seed}.onnx")


def _write_onnx(network: object, path: Path) -> None:
    """Write ONNX; the converter prints and warns about its own parts, which says nothing here."""
    network([_empty(i.shape) for i in network.inputs])  # type: ignore[operator,attr-defined]
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with atomic_path(path) as temporary:
            network.export(temporary, format="onnx", verbose=False)  # type: ignore[attr-defined]


def _empty(shape: tuple[int | None, ...]) -> np.ndarray:
    """Return zeros of a shape, with 32 for each free axis of an image and 1 for the batch."""
    sides = [1 if axis == 0 else (size or 32) for axis, size in enumerate(shape)]
    return np.zeros(sides, np.float32)

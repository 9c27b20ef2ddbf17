"""A trained model as one line of text, in which form a configuration carries it to the sites."""

import base64
import binascii
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from flame.core.errors import BadInput
from flame.core.expansion import TooLargeError, check_size
from flame.core.scores import Weights
from flame.federation.config import TrainConfig
from flame.federation.task import Shared

Seeds = tuple[tuple[Weights, Shared], ...]
"""Weights and shared arrays of each seed."""
MOST_BYTES = 64 * 2**20
"""Largest size of the arrays of a packed model."""
_CONFIG = "config"


def named_arrays(seeds: Seeds) -> dict[str, Any]:
    """Return all arrays of a model by name.

    Args:
        seeds: weights and shared arrays of each seed.

    Returns:
        Arrays by ``seed/weights/place`` and ``seed/shared/name``, with seeds counted from 0.
    """
    named: dict[str, Any] = {}
    for number, (weights, shared) in enumerate(seeds):
        named |= {f"{number}/weights/{n}": array for n, array in enumerate(weights)}
        named |= {f"{number}/shared/{name}": array for name, array in shared.items()}
    return named


def seeds_of(arrays: Mapping[str, Any], count: int) -> Seeds:
    """Return weights and shared arrays of each seed, from ``named_arrays``.

    Args:
        arrays: arrays by name; others than those of the seeds are ignored.
        count: number of seeds.

    Returns:
        The seeds.
    """
    weights: list[dict[str, Any]] = [{} for _ in range(count)]
    shared: list[Shared] = [{} for _ in range(count)]
    for name in arrays:
        number, _, rest = name.partition("/")
        kind, _, key = rest.partition("/")
        if number.isdigit() and int(number) < count and key:
            (weights if kind == "weights" else shared)[int(number)][key] = arrays[name]
    return tuple(
        ([w[n] for n in sorted(w, key=int)], s) for w, s in zip(weights, shared, strict=True)
    )


def packed(config: TrainConfig, seeds: Seeds) -> str:
    """Pack a model.

    Args:
        config: configuration of the model, without paths.
        seeds: weights and shared arrays of each seed.

    Returns:
        The model as text.

    Raises:
        BadInput: the model is too large to travel in a configuration.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {_CONFIG: np.array(config.to_json()), **named_arrays(seeds)}
    np.savez_compressed(content, **arrays)
    if sum(a.nbytes for a in named_arrays(seeds).values()) > MOST_BYTES:
        raise BadInput(
            f"the model has more than {MOST_BYTES / 2**20:g} MB of weights; copy the bundle to "
            "each hospital and run flame validate there"
        )
    return base64.b64encode(content.getvalue()).decode("ascii")


def unpacked(text: str) -> tuple[TrainConfig, Seeds]:
    """Unpack a model, which may come from a server that means harm.

    Args:
        text: the model as text.

    Returns:
        Configuration of the model, and weights and shared arrays of each seed.

    Raises:
        BadInput: the text is no packed model, or a larger one than allowed.
    """
    try:
        content = base64.b64decode(text, validate=True)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_size(sum(m.file_size for m in archive.infolist()), 2 * MOST_BYTES)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            config = TrainConfig.from_json(str(arrays[_CONFIG]))
            named = {n: arrays[n] for n in arrays.files if n != _CONFIG}
            return config, seeds_of(named, len(config.training.seeds))
    except (binascii.Error, zipfile.BadZipFile, KeyError, ValueError, TooLargeError) as error:
        raise BadInput(f"validation.model is no model of flame validate: {error}") from None

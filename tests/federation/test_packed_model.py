"""A model as text: what comes out is what went in, and text that means harm is refused."""

import base64
import io
import zipfile

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.packed_model import MOST_BYTES, named_arrays, packed, seeds_of, unpacked
from flame.federation.sections import DataConfig, TrainingConfig

CONFIG = TrainConfig(DataConfig(table="t.csv"), training=TrainingConfig(seeds=(3, 4)))
SEEDS = tuple(
    ([np.arange(12.0).reshape(3, 4) + n, np.ones(2)] * 6, {"beta": np.array([n, 0.5])})
    for n in range(2)
)


def test_round_trip() -> None:
    """Twelve arrays, so that the tenth is not read after the first."""
    config, seeds = unpacked(packed(CONFIG, SEEDS))
    assert config == CONFIG
    for (weights, shared), (expected, others) in zip(seeds, SEEDS, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(weights, expected, strict=True))
        assert np.array_equal(shared["beta"], others["beta"])
    assert len(seeds_of(named_arrays(SEEDS), 2)) == 2


def bomb() -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/shared/beta.npy", bytes(2 * MOST_BYTES + 1))
    return base64.b64encode(content.getvalue()).decode()


def pickled() -> str:
    content = io.BytesIO()
    np.savez(content, config=np.array([{"a": 1}], dtype=object))
    return base64.b64encode(content.getvalue()).decode()


@pytest.mark.parametrize("text", ["", "!", "AAAA", bomb(), pickled()])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no model"):
        unpacked(text)


def test_a_model_too_large_to_travel_is_refused() -> None:
    large = (([np.zeros(MOST_BYTES // 8 + 1)], {}),)
    with pytest.raises(BadInput, match="run flame validate there"):
        packed(CONFIG, large)

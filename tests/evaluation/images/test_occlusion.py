"""Occlusion of a model whose use of the image is known."""

import numpy as np
import pytest

from flame.evaluation.images.occlusion import occlusion
from flame.models.response.inputs import Inputs


def test_only_what_the_model_reads_matters() -> None:
    image = np.ones((1, 10, 8, 8, 2), np.float32)
    image[0, 8:] = 0  # outside the brain
    empty, none = np.zeros((1, 0), np.float32), np.full(1, np.nan)
    patient = Inputs(
        "c", ("p",), image, empty.astype(float), empty, none.astype(np.float32), none, none
    )

    def predict(inputs: Inputs) -> np.ndarray:
        """A tenth a voxel of the first channel at (4..5, 0, 0)."""
        return 0.1 * inputs.image[:, 4:6, 0, 0, 0].sum(axis=1)

    found = occlusion(predict, patient)
    assert found.shape == (10, 8, 8)
    assert found[4:8, :4, :4] == pytest.approx(0.2)  # the cube that holds both
    found[4:8, :4, :4] = 0
    assert not found.any()

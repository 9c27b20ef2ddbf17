"""A value that few patients have is named, and its number is not told."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.errors import Refusal
from flame.federation.privacy.rare_values import check_rare_values
from flame.models.response.inputs import Inputs
from flame.models.segmentation.case_table import Cases

N = 12


def inputs(**changed: np.ndarray) -> Inputs:
    rng = np.random.default_rng(0)
    clinical = np.column_stack([rng.normal(60, 9, N), np.arange(N) % 2])
    empty = np.zeros((N, 0), np.float32)
    response = (np.arange(N) % 2).astype(np.float32)
    whole = Inputs(
        "a", tuple("abcdefghijkl"), empty, clinical, empty, response, np.ones(N), np.ones(N)
    )
    return replace(whole, **changed)


def with_clinical(row: int, column: int, value: float) -> np.ndarray:
    clinical = inputs().clinical.copy()
    clinical[row, column] = value
    return clinical


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"clinical": np.column_stack([np.arange(N), [1.0] + [0] * (N - 1)])}, "mgmt"),
        ({"clinical": with_clinical(3, 0, np.nan)}, "age"),
        ({"clinical": with_clinical(3, 1, 2.0)}, "mgmt"),
        ({"response": np.array([1.0] + [0.0] * (N - 1), np.float32)}, "response"),
    ],
)
def test_what_few_have_is_refused(changed: dict[str, np.ndarray], name: str) -> None:
    with pytest.raises(Refusal, match=f"fewer than 5 patients with some value of {name}"):
        check_rare_values(inputs(**changed), ("age", "mgmt"), 5)


def test_one_death_is_refused_where_survival_is_the_outcome() -> None:
    unknown = np.full(N, np.nan, np.float32)
    died = np.array([1.0] + [0.0] * (N - 1))
    with pytest.raises(Refusal, match="who died, or who did not"):
        check_rare_values(inputs(response=unknown, died=died), ("age", "mgmt"), 5)


def test_common_values_and_images_pass() -> None:
    check_rare_values(inputs(), ("age", "mgmt"), 5)
    check_rare_values(Cases("a", ("p",), ((1,),)), (), 5)

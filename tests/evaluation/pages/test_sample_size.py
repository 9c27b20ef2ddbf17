"""Riley's criteria by hand."""

import math

import pytest

from flame.evaluation.pages.sample_size import required_patients, sample_size_text


@pytest.mark.parametrize(("parameters", "share"), [(5, 0.5), (24, 0.3), (48, 0.1)])
def test_coefficients_shrink_by_at_most_ten_percent(parameters: int, share: float) -> None:
    """At the required n the expected shrinkage, 1 + p / (n log(1 - R2 / S)), is 0.9 or more."""
    n = required_patients(parameters, share)
    likelihood = share * math.log(share) + (1 - share) * math.log(1 - share)
    explained = 0.15 * (1 - math.exp(2 * likelihood))
    assert 1 + parameters / (n * math.log(1 - explained / 0.9)) >= 0.9 - 1e-9


def test_few_parameters_still_need_the_share_within_five_percent() -> None:
    assert required_patients(1, 0.5) == math.ceil(0.25 * (1.96 / 0.05) ** 2)


def test_what_cannot_be_computed_is_said() -> None:
    assert sample_size_text(5, 20, 20).endswith("no calculation")
    assert sample_size_text(0, 20, 10).endswith("no calculation")

"""A small cohort for the evolution models."""

import pytest

from flame.models.evolution.model import EvolutionCase
from tests.helpers.tumours import tumour_case


@pytest.fixture(scope="session")
def cohort() -> list[EvolutionCase]:
    return [tumour_case(f"p{n}", 12.0 + n) for n in range(6)]

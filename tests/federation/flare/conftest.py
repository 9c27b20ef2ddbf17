"""Fixtures of the tests on real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flame.federation.config import TrainConfig
from tests.helpers.hospitals import Hospitals


@pytest.fixture
def hospitals(toy: TrainConfig, tmp_path: Path) -> Iterator[Hospitals]:
    found = Hospitals(tmp_path, toy)
    try:
        yield found
    finally:
        found.stop()

"""Engines by name."""

import pytest

from flame.core.errors import BadInput
from flame.federation.engines import ENGINES, open_engine


def test_every_engine_opens_and_trains_jobs() -> None:
    assert set(ENGINES) == {"in-process", "flare"}
    for name in ENGINES:
        assert callable(open_engine(name).train)


def test_an_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'flare'"):
        open_engine("flair")

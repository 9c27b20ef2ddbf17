"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib

import pytest

from tests.test_layout import SOURCES

WITH_EXAMPLES = sorted(n for n, path in SOURCES.items() if ">>> " in path.read_text())


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed

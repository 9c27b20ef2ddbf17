"""The documentation names every strategy, and its example is one."""

import re
from pathlib import Path

import numpy as np

from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "strategies.md").read_text()


def test_every_strategy_is_in_the_table() -> None:
    named = set(re.findall(r"`([a-z-]+)`", TEXT.split("##")[0]))
    assert set(STRATEGIES) <= named


def test_the_example_is_a_strategy() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    made: dict = {}
    exec(example.replace('@STRATEGIES.register("half-way")\n', ""), made)
    updates = [Update("a", [np.array([4.0])], 1, 0.0, 0.0)]
    found = made["HalfWay"]().aggregate(State([np.zeros(1)]), updates)
    assert found.weights[0] == 2.0

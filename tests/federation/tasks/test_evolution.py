"""The task evolution with growth that is learned from sums: the model of pooled patients."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig, PrivacyConfig
from flame.federation.task import Query
from flame.federation.tasks.evolution import EvolutionTask
from flame.models.evolution.config import EvolutionConfig
from flame.models.evolution.growth_curves import Surface
from flame.models.segmentation.case_table import Cases
from tests.helpers.tumours import tumour_case

CONFIG = TrainConfig(
    DataConfig(bids="bids", centres=("a", "b")),
    task="evolution",
    evolution=EvolutionConfig("surface"),
)


def patients(centre: str, count: int) -> Cases:
    bare = {"treatment": None, "dose": None, "history": (), "day": 0}
    cases = [
        (tumour_case(f"{centre}{n}", radius=11.0 + n, centre=centre, **bare),) for n in range(count)
    ]
    names = tuple(f"{centre}{n}" for n in range(count))
    return Cases(centre, names, tuple(cases), ())


def learned(config: TrainConfig, sites: list[Cases]) -> tuple[EvolutionTask, Any]:
    task = EvolutionTask(config)

    def send(name: str, parameters: Any, *_: Any, **__: Any) -> list[Any]:
        return [task.reply([site], Query(name, parameters, [], {})) for site in sites]

    shared = task.prepare(send, {})
    return task, task.finish(send, [], shared, whole=True)


def test_two_centres_learn_the_growth_of_all_their_patients() -> None:
    sites = [patients("a", 4), patients("b", 3)]
    task, shared = learned(CONFIG, sites)
    model = task.load([], shared)
    pooled = Surface()
    pooled.fit([c for site in sites for c in site.flat])
    new = tumour_case(radius=14.0, treatment=None, dose=None, history=(), day=0)
    ours, theirs = model.forecast(new, (60, 120)), pooled.forecast(new, (60, 120))
    for mine, other in zip(ours, theirs, strict=True):
        assert np.allclose(mine.volumes, other.volumes, rtol=1e-6)
        assert (mine.mask == other.mask).mean() > 0.999
    assert task.calibration == 0  # nobody is held out
    assert shared["longest"] == 120


def test_a_centre_of_few_patients_tells_nothing() -> None:
    config = replace(CONFIG, privacy=PrivacyConfig(least_patients=4))
    _, shared = learned(config, [patients("a", 5), patients("b", 3)])
    assert list(shared["patients"]) == [0, 5, 5]
    with pytest.raises(BadInput, match="no centre has"):
        learned(config, [patients("a", 3), patients("b", 3)])

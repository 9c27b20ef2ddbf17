"""The task validation at a site; its figures are tested in tests/bundles."""

import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.packed_model import packed
from flame.federation.sections import DataConfig, ValidationConfig
from flame.federation.task import Query
from flame.federation.tasks.registry import open_task
from flame.federation.tasks.validation import ValidationTask
from flame.models.response.inputs import ResponseModelConfig

DATA = DataConfig(table="t.csv", centres=("a",))


def test_other_queries_are_refused() -> None:
    inner = TrainConfig(DATA, ResponseModelConfig(clinical=("age",)), task="survival")
    config = TrainConfig(
        DATA, task="validation", validation=ValidationConfig(packed(inner, (([], {}),)))
    )
    task = open_task(config)
    assert isinstance(task, ValidationTask)
    with pytest.raises(BadInput, match="does not reply to"):
        task.reply([], Query("moments"))


def test_a_model_without_an_outcome_is_refused() -> None:
    inner = TrainConfig(DataConfig(bids="b", centres=("a",)), task="segmentation")
    packed_model = packed(inner, (([], {}),))
    with pytest.raises(BadInput, match="needs a model on response or survival"):
        open_task(TrainConfig(DATA, task="validation", validation=ValidationConfig(packed_model)))

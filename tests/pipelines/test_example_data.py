"""Every example on a table runs on its simulated stand-in."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.config import load_config
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.pipelines.example_data import PATIENTS, run
from flame.pipelines.examples import example_of
from flame.streams.config import StreamConfig, open_stream


@pytest.mark.parametrize("name", ["gbm_table", "gbm_survival"])
def test_a_table_of_patients_can_be_read_and_learned_from(name: str, tmp_path: Path) -> None:
    config = load_config(TrainConfig, run(example_of(name), tmp_path), [])
    for centre in config.data.centres:
        cohort = load_cohort(config, centre)
        assert cohort.simulated
        assert len(cohort.patients) == PATIENTS
        assert len(open_task(config).patients(cohort).labelled) > PATIENTS // 2


@pytest.mark.parametrize("name", ["airports", "beijing", "heart", "lumiere"])
def test_a_stream_has_steps_and_both_classes(name: str, tmp_path: Path) -> None:
    config = load_config(StreamConfig, run(example_of(f"stream_{name}"), tmp_path), [])
    stream = open_stream(config, 0)
    assert stream.simulated
    assert len(stream.batches) >= 3
    assert len(stream.batches[0].x) >= 3  # nodes
    labels = np.concatenate([np.ravel(batch.y) for batch in stream.batches])
    assert {0, 1} <= set(labels[labels >= 0].tolist())


def test_other_examples_say_where_their_data_come_from(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="simulates its own data"):
        run(example_of("stream_sea"), tmp_path)
    with pytest.raises(BadInput, match="did you mean 'gbm_table'"):
        example_of("gbm_tabel")

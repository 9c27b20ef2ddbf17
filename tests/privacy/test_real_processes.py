"""The attacks of a lead, and secure aggregation, on processes, sockets and certificates."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.federation.checkpoint import MODELS, finished, load_checkpoint
from flame.federation.config import TrainConfig
from flame.pipelines import train
from tests.helpers.hospitals import Hospitals

pytestmark = [pytest.mark.flare, pytest.mark.slow]
LONGEST_S = 900


def test_a_lead_with_as_many_folds_as_patients_learns_nothing(
    toy: TrainConfig, tmp_path: Path
) -> None:
    """As found: 33 of 33 ages from the moments of an ordinary run under the default policy."""
    hospitals = Hospitals(tmp_path, toy, least_patients=5)
    try:
        hospitals.start("server", "a", "b")
        config = replace(toy, training=replace(toy.training, folds=24))
        submitted = hospitals.submit(config, tmp_path / "run")
        assert submitted.wait(LONGEST_S) != 0
        assert re.search(r"has patients for \d folds .* lower\s+training.folds", hospitals.said())
        allowed = replace(toy, training=replace(toy.training, folds=3))
        assert hospitals.submit(allowed, tmp_path / "allowed").wait(LONGEST_S) == 0
    finally:
        hospitals.stop()
    patients = pd.read_csv(str(toy.data.table))
    values = set(patients.x.round(6))
    models = [load_checkpoint(p) for p in (tmp_path / "allowed" / MODELS).iterdir()]
    sums = [m.shared["count"][0] * m.shared["mean"][0] for m in models if m is not None]
    differences = {round(float(abs(one - other)), 6) for one in sums for other in sums}
    assert len(sums) == 14  # three folds and all: both sites, each alone; and without each
    assert not differences & values
    assert not {-v for v in values} & differences


def test_three_hospitals_learn_under_masks(toy: TrainConfig, tmp_path: Path) -> None:
    table = pd.read_csv(str(toy.data.table))
    third = table[table.centre == "b"].assign(centre="c", x=lambda t: t.x * 0.9)
    third["patient_id"] = "c" + third.patient_id
    pd.concat([table, third]).to_csv(str(toy.data.table), index=False)
    hospitals = Hospitals(tmp_path, toy, sites=("a", "b", "c"))
    config = replace(
        toy,
        data=replace(toy.data, centres=("a", "b", "c")),
        federation=replace(toy.federation, secure=True),
        privacy=replace(toy.privacy, bounds={"x": (-4.0, 4.0), "y": (-4.0, 4.0)}),
    )
    try:
        hospitals.start("server", "a", "b", "c")
        assert hospitals.submit(config, tmp_path / "run").wait(LONGEST_S) == 0, hospitals.said()
    finally:
        hospitals.stop()
    train.run(config, tmp_path / "here")
    for name in ("federated.seed-0.all", "federated.seed-0.fold-1"):
        one, other = (finished(tmp_path / k, name).state.weights for k in ("run", "here"))
        for a, b in zip(one, other, strict=True):
            assert np.allclose(a, b, atol=1e-6)
    log = (hospitals.kit("a") / "sent.log").read_text()
    assert "masked values of the secure sum 'federated.seed-0.all:1'" in log
    assert "weights after" not in log
    assert (hospitals.kit("a") / "secure_sums.json").read_text() == '[["a", "b", "c"]]'

"""Validation at the sites of a real federation: the figures of the pooled table, no row sent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.federation.config import TrainConfig
from flame.pipelines import export, train, validate
from tests.helpers.hospitals import PERSON, SITES, Hospitals


@pytest.mark.flare
@pytest.mark.slow
def test_sites_validate_a_model_that_they_did_not_train(toy: TrainConfig, tmp_path: Path) -> None:
    data = replace(toy.data, centres=("a", "b"))
    config = replace(toy, data=data, model=replace(toy.model, kind="logistic"), baselines={})
    train.run(config, tmp_path / "run")
    export.run(tmp_path / "run", tmp_path / "model")
    hospitals = Hospitals(tmp_path, toy)
    new = tmp_path / "new.csv"
    new.write_text(Path(toy.data.table).read_text())
    try:
        hospitals.start("server", *SITES)
        apart = validate.run_in_federation(
            tmp_path / "model",
            hospitals.kit("admin"),
            tmp_path / "apart",
            lambda state: None,
            lambda line: None,
        )
    finally:
        hospitals.stop()
    together = validate.run(tmp_path / "model", new, tmp_path / "together")
    ours, theirs = (
        r.metrics.set_index(["hospital", "prediction", "metric"]).value for r in (apart, together)
    )
    common = [key for key in ours.index if key in theirs.index and "refitted" not in key[1]]
    assert len(common) >= 20
    assert np.allclose(ours[common], theirs[common], atol=1e-6, equal_nan=True)
    for path in (tmp_path / "apart").rglob("*.*"):
        assert PERSON.encode() not in path.read_bytes(), path.name

"""Fixtures of all tests: real data where it is present, and configurations of runs on tables."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig, FederationConfig, TrainingConfig
from flame.models.response.inputs import ResponseModelConfig

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # pytest -n has a process a core already

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Path of a file of the shared data; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"shared data {name} is not here")
        return path

    return find


Make = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def table_config() -> Make:
    """A run on the real table of three hospitals, clinical features."""

    def make(table: Path, **changes: object) -> TrainConfig:
        data = DataConfig(
            table=str(table),
            centres=("UCSF", "UPENN", "TCGA"),
            id_column="subject",
            survival=("survival_days", "survival_status"),
            horizon_days=365.0,
            impute={"resection_status": 0.5},
        )
        clinical = ("age", "sex", "mgmt_status", "idh_status", "resection_status")
        config = TrainConfig(
            data, ResponseModelConfig(clinical=("age",)), baselines={"clinical": clinical}
        )
        return replace(config, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def toy(tmp_path: Path) -> TrainConfig:
    """Two centres of a made-up table whose outcome depends on two features."""
    rng = np.random.default_rng(0)
    rows = []
    for centre, count in (("a", 24), ("b", 16)):
        for n in range(count):
            x = rng.normal(size=2)
            response = int(x[0] - x[1] + rng.normal() > 0)
            days, died = rng.integers(50, 900), rng.integers(0, 2)
            rows.append((centre, f"{centre}{n}", *x, response, days, died))
    columns = ["centre", "patient_id", "x", "y", "response", "survival_days", "died"]
    table = tmp_path / "toy.csv"
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    return TrainConfig(
        DataConfig(table=str(table)),
        ResponseModelConfig(clinical=("x", "y"), l2=1e-3),
        TrainingConfig(rounds=3, epochs=2, optimizer="sgd", learning_rate=0.3, folds=2),
        FederationConfig(),
        {"x only": ("x",)},
    )

"""Runs on a table of simulated patients at three hospitals: logistic, Cox and a network."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.config import build
from flame.federation.config import TrainConfig
from flame.pipelines import train


def simulated_table(path: Path, centres: tuple[str, ...], n: int, seed: int) -> Path:
    """Write patients whose survival depends on age and MGMT alone."""
    rng = np.random.default_rng(seed)
    rows = []
    for centre in centres:
        for number in range(n):
            age, mgmt = rng.normal(60, 10), rng.integers(0, 2)
            days = rng.exponential(450 * np.exp(-0.04 * (age - 60) + 0.5 * mgmt))
            leaves = rng.uniform(200, 1500)
            rows.append(
                {
                    "subject": f"{centre}-{number}",
                    "centre": centre,
                    "age": round(age, 1),
                    "mgmt": mgmt,
                    "noise": round(rng.normal(), 3),
                    "days": round(min(days, leaves) + 1),
                    "died": int(days <= leaves),
                }
            )
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def settings(table: Path, **sections: object) -> TrainConfig:
    """Configuration of a small run on the table."""
    values: dict[str, object] = {
        "data": {
            "table": str(table),
            "centres": ["A", "B", "C"],
            "id_column": "subject",
            "survival": ["days", "died"],
            "horizon_days": 365,
            "simulated": True,
        },
        "model": {"kind": "logistic", "clinical": ["age", "mgmt"]},
        "training": {"folds": 2},
    }
    return build(TrainConfig, {**values, **sections}, "test")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the table of training and that of a new hospital."""
    path = tmp_path_factory.mktemp("bundles")
    simulated_table(path / "training.csv", ("A", "B", "C"), 120, 1)
    simulated_table(path / "new.csv", ("D",), 150, 2)
    return path


@pytest.fixture(scope="session")
def logistic(folder: Path) -> Path:
    """Run on response by a logistic regression."""
    train.run(settings(folder / "training.csv"), folder / "logistic")
    return folder / "logistic"


@pytest.fixture(scope="session")
def cox(folder: Path) -> Path:
    """Run on survival by a Cox model."""
    config = settings(folder / "training.csv", task="survival", model={"clinical": ["age", "mgmt"]})
    train.run(config, folder / "cox")
    return folder / "cox"


@pytest.fixture(scope="session")
def network(folder: Path) -> Path:
    """Run on response by a network, with two seeds."""
    config = settings(
        folder / "training.csv",
        model={"clinical": ["age", "mgmt"]},
        training={"folds": 2, "rounds": 20, "seeds": [0, 1]},
    )
    train.run(config, folder / "network")
    return folder / "network"

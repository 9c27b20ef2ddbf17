"""Commands say nothing but what FLAME says: no lines of the libraries that it uses."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOREIGN = re.compile(
    r"tensorflow|TF-|oneDNN|cuda|absl|XLA|retracing|keras|nvflare|Warning|WARNING|Traceback|grpc|"
    r"torch|numba|matplotlib",
    re.I,
)
"""Words of lines that other libraries print."""
TOML = """
[data]
table = "{table}"
centres = ["a", "b"]
id_column = "subject"

[model]
clinical = ["age", "volume"]

[training]
rounds = 2
folds = 2

[federation]
engine = "{engine}"
"""
STREAM = 'compare = ["local", "gossip"]\n\n[mri]\nhospitals = 3\npatients = 8\nsteps = 3\nat = 1\n'


def flame(folder: Path, *arguments: str) -> str:
    """Run a command; return its stderr without the progress."""
    done = subprocess.run(
        [sys.executable, "-m", "flame", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stderr.splitlines() if FOREIGN.search(line)]
    assert not found, f"flame {arguments[0]}: {found}"
    return done.stderr


@pytest.fixture
def work(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"subject": [f"p{n}" for n in range(60)], "centre": ["a", "b"] * 30})
    table = table.assign(age=rng.normal(60, 9, 60).round(), volume=rng.normal(20, 5, 60).round(1))
    table = table.assign(response=(table.age + rng.normal(0, 8, 60) > 60).astype(int))
    table.to_csv(tmp_path / "table.csv", index=False)
    for engine in ("in-process", "flare"):
        text = TOML.format(table=tmp_path / "table.csv", engine=engine)
        (tmp_path / f"{engine}.toml").write_text(text)
    (tmp_path / "stream.toml").write_text(STREAM)
    return tmp_path


@pytest.mark.slow
def test_every_command_on_tables_is_quiet(work: Path) -> None:
    flame(work, "train", "in-process.toml", "--out", "run")
    flame(work, "evaluate", "run")
    flame(work, "export", "run", "--out", "model")
    flame(work, "predict", "model", "table.csv", "--out", "predicted")
    flame(work, "validate", "model", "table.csv", "--out", "validated")
    flame(work, "describe", "in-process.toml", "--out", "described")
    flame(work, "stream", "stream.toml", "--out", "stream")
    flame(work, "examples", "copied")


@pytest.mark.slow
def test_every_command_on_images_is_quiet(work: Path) -> None:
    flame(work, "simulate", "hospitals", "--centres", "1", "--patients", "1", "--spacing", "4")
    flame(work, "inspect", "hospitals/centre-1/dicom")
    flame(work, "preprocess", "hospitals/centre-1/dicom", "bids", "--spacing", "4")
    flame(work, "assess", "bids")


@pytest.mark.slow
@pytest.mark.flare
def test_a_federated_run_is_quiet(work: Path) -> None:
    flame(work, "train", "flare.toml", "--out", "run")

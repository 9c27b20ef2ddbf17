"""One simulated hospital with one patient and two days, and what preprocessing makes of it."""

import shutil
from pathlib import Path

import pytest

from flame.io.pseudonym import load_key, pseudonym
from flame.pipelines.preprocess import run
from flame.pipelines.simulate import SimulateConfig
from flame.pipelines.simulate import run as simulate
from tests.helpers.preprocess_config import preprocess_config


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hospital") / "out"
    simulate(SimulateConfig(str(out), 1, 1, 3.0, 4, (-10, 60), 1))
    return out


@pytest.fixture(scope="session")
def derivatives(hospital: Path) -> Path:
    result = run(preprocess_config(hospital, hospital / "bids"))
    assert [r.status for r in result.studies] == ["done", "done"]
    assert not result.warnings
    return hospital / "bids"


@pytest.fixture
def copied(hospital: Path, derivatives: Path, tmp_path: Path) -> Path:
    """A hospital of its own with a finished cohort beside it."""
    shutil.copytree(hospital / "centre-1", tmp_path / "centre-1")
    shutil.copytree(derivatives, tmp_path / "bids")
    dicom = (tmp_path / "centre-1" / "dicom").resolve()
    source = pseudonym(load_key(tmp_path / "centre-1" / "dicom.key"), str(dicom))
    (tmp_path / "bids" / ".source").write_text(source)
    return tmp_path

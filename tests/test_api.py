"""The functions of ``import flame``; notebooks run train, evaluate and run_stream."""

import subprocess
import sys
from pathlib import Path

import pytest

import flame
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.tasks import cohorts
from tests.helpers.dicom_series import write_mr_series


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, flame; print([m for m in ('numpy', 'pandas', 'keras') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_name_is_there_and_no_other() -> None:
    assert all(callable(getattr(flame, name)) for name in flame.__all__ if name != "__version__")
    assert set(flame.__all__) <= set(dir(flame))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        flame.trian  # noqa: B018


def test_overrides_make_a_configuration() -> None:
    config = flame.load_config(None, "data.table=t.csv", "training.rounds=7")
    assert (config.data.table, config.training.rounds) == ("t.csv", 7)
    with pytest.raises(BadInput, match="did you mean 'rounds'"):
        flame.load_config(None, "data.table=t.csv", "training.round=7")


def test_every_error_is_reported_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        flame.load_config(None, "data.table=1", "training.rounds=0", "federation.silence_s=3")
    text = str(caught.value)
    assert "'data.table' must be text, not 1" in text
    assert "'training.rounds' must be 1 or more, not 0" in text
    assert "'federation.silence_s' is now called 'federation.heartbeat_timeout_s'" in text


def test_a_folder_is_inspected(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom")
    (series,) = flame.inspect_dicom(tmp_path / "dicom").series
    assert series.taken


def test_unknown_options_of_preprocess_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown key 'spacin': did you mean 'spacing'"):
        flame.preprocess(tmp_path, tmp_path / "out", spacin=2.0)


def test_a_cohort_is_that_of_a_run(toy: TrainConfig) -> None:
    found, expected = flame.load_cohort(toy, "a"), cohorts.load_cohort(toy, "a")
    assert [p.pseudonym for p in found.patients] == [p.pseudonym for p in expected.patients]
    assert found.manifest == expected.manifest

"""New plans with a stand-in for pyRadPlan: a program that gives every target 60 Gy."""

import sys
from pathlib import Path

import pytest

from flame.core.errors import BadInput, FlameError
from flame.core.treatment import Radiation
from flame.io.dicom.dose import read_doses
from flame.pipelines.replan import Planned, ReplanConfig, run
from tests.helpers.planned_patient import planned_patient

STAND_IN = """#!{python}
import json, sys
from pathlib import Path
import nibabel as nib
import numpy as np
if sys.argv[1] == "-c":
    sys.exit({lacks})
folder, radiation, gy, fractions = Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), sys.argv[5]
if radiation == "carbon":
    sys.exit("no range")
ctv = nib.load(folder / "ctv.nii.gz")
dose = gy * (np.asarray(ctv.dataobj) > 0)
image = nib.Nifti1Image(dose.astype(np.float32), ctv.affine)
nib.save(image, folder / f"{{radiation}}_dose.nii.gz")
goals = {{"D95": 0.97, "D2": float(fractions) / 28}}
(folder / f"{{radiation}}.json").write_text(json.dumps(goals))
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    return stand_in(tmp_path / "python", lacks=False)


def stand_in(path: Path, lacks: bool) -> str:
    path.write_text(STAND_IN.format(python=sys.executable, lacks=int(lacks)))
    path.chmod(0o755)
    return str(path)


def test_each_radiation_has_the_patient_with_its_plan(tmp_path: Path, python: str) -> None:
    patient = planned_patient(tmp_path / "patient")
    radiations = (Radiation.PHOTON, Radiation.PROTON)
    config = ReplanConfig(str(patient), str(tmp_path / "out"), python, radiations, 54.0, 30)
    shown: list[str] = []
    plans = run(config, shown.append)
    assert shown == ["photon", "proton"]
    assert [p.met for p in plans] == [False, False]  # D2 of 30 / 28 is 107.1 %
    assert Planned(Radiation.PHOTON, {"D95": 0.95, "D2": 1.07}).met
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"photon", "proton"}
    for radiation in radiations:
        folder = tmp_path / "out" / str(radiation)
        assert len(list((folder / "ct").iterdir())) == len(list((patient / "ct").iterdir()))
        assert {p.name for p in (folder / "rt").iterdir()} == {"RS.dcm"}  # the old plan is gone
        (found,) = read_doses([folder / f"RD_{radiation}_dose.dcm"])
        assert found.dose.voxels.max() == pytest.approx(54)
    assert (patient / "rt" / "RP1.dcm").exists()


def test_a_plan_that_fails_leaves_nothing(tmp_path: Path, python: str) -> None:
    patient = planned_patient(tmp_path / "patient")
    with pytest.raises(FlameError, match="pyRadPlan made no carbon plan: no range"):
        run(ReplanConfig(str(patient), str(tmp_path / "out"), python))
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_bad_input(tmp_path: Path, python: str) -> None:
    patient = planned_patient(tmp_path / "patient")
    without = stand_in(tmp_path / "without", lacks=True)
    with pytest.raises(BadInput, match="cannot import pyRadPlan .*venv ENV, and then ENV/bin/pip"):
        run(ReplanConfig(str(patient), str(tmp_path / "out"), without))
    with pytest.raises(BadInput, match="nowhere is no Python"):
        run(ReplanConfig(str(patient), str(tmp_path / "out"), "nowhere"))
    with pytest.raises(BadInput, match="lies inside the DICOM folder"):
        run(ReplanConfig(str(patient), str(patient / "out"), python))
    (tmp_path / "there").mkdir()
    with pytest.raises(BadInput, match="exists; give a new folder"):
        run(ReplanConfig(str(patient), str(tmp_path / "there"), python))

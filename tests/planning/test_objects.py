"""A new plan is read back as any hospital's plan."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from flame.core.treatment import Phase, Radiation
from flame.io.dicom.dose import read_doses
from flame.io.dicom.instances import Instance
from flame.io.dicom.let_grids import mean_lets
from flame.planning.inputs import planning_inputs
from flame.planning.objects import write_plan
from tests.helpers.planned_patient import planned_patient

PROTONS = Phase(Radiation.PROTON, 60.0, 30, biological=True)


def test_dose_and_let_lie_where_they_were_planned(tmp_path: Path) -> None:
    inputs = planning_inputs(planned_patient(tmp_path / "patient"))
    dose = np.where(inputs.masks["ctv"], 60, 1).astype(np.float32)
    write_plan(tmp_path, inputs, PROTONS, {"dose": dose, "let": np.full_like(dose, 2.5)})
    (found,) = read_doses([tmp_path / "RD_proton_dose.dcm"])
    assert found.dose.biological
    high = np.argwhere(found.dose.voxels > 30)
    assert len(high) == inputs.masks["ctv"].sum()
    centre = found.dose.affine @ [*high.mean(axis=0), 1]
    assert centre[:3] == pytest.approx([-58.5, -58.5, 73.5], abs=0.5)
    headers = [(p, pydicom.dcmread(p)) for p in sorted(tmp_path.glob("R*.dcm"))]
    (let,) = mean_lets([Instance(p, h) for p, h in headers], []).values()
    assert let == pytest.approx(2.5, abs=1e-3)
    for _, header in headers:
        assert header.PatientID == "patient"
        assert header.SeriesDescription.startswith("NOT CLINICAL")
    plan = headers[-1][1]
    assert (plan.ApprovalStatus, plan.RTPlanLabel) == ("UNAPPROVED", "NOT CLINICAL")
    assert plan.RTPlanDate == "20240301"


def test_photons_have_an_rt_plan_and_a_physical_dose(tmp_path: Path) -> None:
    inputs = planning_inputs(planned_patient(tmp_path / "patient"))
    phase = Phase(Radiation.PHOTON, 60.0, 30)
    write_plan(tmp_path, inputs, phase, {"dose": np.ones(inputs.ct.shape, np.float32)})
    (found,) = read_doses([tmp_path / "RD_photon_dose.dcm"])
    assert not found.dose.biological
    marked = replace(inputs, header=inputs.header)
    marked.header.ImageComments = "FLAME simulation"
    write_plan(tmp_path, marked, phase, {})
    assert pydicom.dcmread(tmp_path / "RP_photon.dcm").ImageComments == "FLAME simulation"

"""CT and contours of a patient on the grid on which plans are made."""

from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import CTImageStorage

from flame.core.errors import BadInput
from flame.planning.inputs import planning_inputs
from tests.helpers.dicom_series import write_mr_series
from tests.helpers.planned_patient import HU, SLICES, STUDY, planned_patient


def test_ct_target_and_brain_lie_where_they_were_drawn(tmp_path: Path) -> None:
    inputs = planning_inputs(planned_patient(tmp_path))
    assert np.diag(inputs.affine).tolist() == [-3.0, -3.0, 3.0, 1.0]
    target, brain = inputs.masks["ctv"], inputs.masks["brain"]
    # Without a drawn CTV the target is the tumour of 10 mm and 15 mm around it.
    assert target.sum() * 0.027 == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.1)
    assert brain.sum() * 0.027 == pytest.approx(4 / 3 * np.pi * 5.0**3, rel=0.05)
    assert np.allclose(inputs.ct[brain], HU, atol=0.5)
    assert inputs.ct[0, 0, 0] == pytest.approx(-1000, abs=0.5)
    centre = inputs.affine @ [*np.argwhere(target).mean(axis=0), 1]
    assert centre[:3] == pytest.approx([-58.5, -58.5, 73.5], abs=0.5)  # 19.5 and 24.5 voxels
    assert inputs.start == date(2024, 3, 1)
    assert {p.name for p in inputs.replaced} == {"RP1.dcm", "RD.dcm"}
    assert inputs.header.FrameOfReferenceUID == STUDY.frame_uid
    inputs.write(tmp_path)
    assert nib.load(tmp_path / "ctv.nii.gz").shape == inputs.ct.shape


def test_the_ct_that_is_planned_on_is_not_the_first_one(tmp_path: Path) -> None:
    """A diagnostic CT of another frame comes first in the folder, and has more slices."""
    folder = planned_patient(tmp_path)
    write_mr_series(
        folder / "a-diagnostic",
        SLICES + 10,
        3.0,
        SOPClassUID=CTImageStorage,
        Modality="CT",
        SeriesInstanceUID="1.2.3.7",
        FrameOfReferenceUID="1.2.3.8",
        PatientID=STUDY.patient_id,
    )
    inputs = planning_inputs(folder)
    assert inputs.header.FrameOfReferenceUID == STUDY.frame_uid
    assert np.allclose(inputs.ct[inputs.masks["brain"]], HU, atol=0.5)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no contour of Brain on the CT"):
        planning_inputs(planned_patient(tmp_path / "a", names=("GTV",)))
    with pytest.raises(BadInput, match="no contour of CTV on the CT; draw a CTV or GTV"):
        planning_inputs(planned_patient(tmp_path / "b", names=("Brain",)))
    with pytest.raises(BadInput, match="holds 0 patients"):
        planning_inputs(tmp_path / "c")
    folder = planned_patient(tmp_path / "d")
    for path in (folder / "ct").iterdir():
        path.unlink()
    with pytest.raises(BadInput, match="no planning CT"):
        planning_inputs(folder)

"""Grids of LET with values that are known, beside the dose of their plan."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from flame.core.errors import UnreadableImage
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.dose import read_doses
from flame.io.dicom.intake import read_headers
from flame.io.dicom.let_grids import mean_lets
from flame.io.dicom.radiotherapy import read_radiotherapy
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_plans

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
PROTONS = Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),))
DOSE = np.zeros((6, 5, 4), np.float32)
DOSE[2:4, 2, 1:3] = [[60, 54], [50, 20]]
"""Three voxels get at least 80 % of 60 Gy: 60, 54 and 50 Gy."""
LET = np.full(DOSE.shape, 9.0, np.float32)
LET[2:4, 2, 1:3] = [[2, 3], [5, 12]]
MEAN = (60 * 2 + 54 * 3 + 50 * 5) / (60 + 54 + 50)


def grid(path: Path, values: np.ndarray, shift: float = 0.0, **tags: object) -> None:
    affine = np.diag([2.0, 2, 2, 1])
    affine[0, 3] = shift
    write_dose(path, STUDY, values, affine, biological=True)
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = f"1.2.3.{len(path.stem)}"
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


@pytest.mark.parametrize(
    "labels",
    [
        {"DoseComment": "LETd"},
        {"SeriesDescription": "dose-averaged LET [keV/um]", "DoseUnits": "RELATIVE"},
    ],
)
def test_the_mean_is_that_of_the_target(tmp_path: Path, labels: dict[str, str]) -> None:
    write_plans(tmp_path, STUDY, PROTONS)
    grid(tmp_path / "dose.dcm", DOSE)
    grid(tmp_path / "transfer.dcm", LET, **labels)
    course = read_radiotherapy(read_headers(tmp_path)[0])
    assert course.treatment is not None
    assert course.treatment.phases[0].let == pytest.approx(MEAN, rel=1e-3)
    (dose,) = read_doses([tmp_path / "dose.dcm", tmp_path / "transfer.dcm"], course.plans)
    assert dose.path == tmp_path / "dose.dcm"


def test_a_grid_of_let_is_never_a_dose(tmp_path: Path) -> None:
    grid(tmp_path / "let.dcm", LET, DoseComment="LET")
    with pytest.raises(UnreadableImage, match="linear energy transfer, not a dose"):
        read_doses([tmp_path / "let.dcm"])


def test_outlet_and_letter_are_no_let(tmp_path: Path) -> None:
    grid(tmp_path / "d.dcm", DOSE, SeriesDescription="thoracic outlet, letter B")
    assert len(read_doses([tmp_path / "d.dcm"])) == 1


@pytest.mark.parametrize(
    ("values", "shift", "reason"),
    [
        (LET, 1.0, "not lie on the grid of the dose"),
        (LET * 1000, 0.0, "not in keV/um"),
        (LET * 0, 0.0, "not in keV/um"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, values: np.ndarray, shift: float, reason: str
) -> None:
    write_plans(tmp_path, STUDY, PROTONS)
    grid(tmp_path / "dose.dcm", DOSE)
    grid(tmp_path / "let.dcm", values, shift, DoseComment="LET")
    notes: list[str] = []
    assert mean_lets(read_headers(tmp_path)[0], notes) == {}
    assert reason in notes[0]

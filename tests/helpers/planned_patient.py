"""A small patient with a planning CT, a drawn target and brain, and a plan of its own."""

from datetime import date
from pathlib import Path

import numpy as np
from pydicom.uid import CTImageStorage

from flame.core.treatment import Phase, Radiation, Treatment
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_plans, write_structures
from tests.helpers.dicom_series import AXIAL, write_mr_series

STUDY = Study("patient", "F", 60, date(2024, 3, 1), 1)
SLICES, STEP = 50, 3.0
SHAPE = (40, 40, SLICES)
GRID = np.diag([-3.0, -3.0, 3.0, 1.0])
"""Columns and rows run to the left and to the back, as in DICOM."""
HU = 40
"""CT number of the ball that is the head; air is around it."""


def ball(radius_mm: float) -> np.ndarray:
    """A ball (x, y, z) in the middle of the grid of the CT."""
    index = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    return (index**2).sum(axis=0) * 9.0 < radius_mm**2


def planned_patient(folder: Path, names: tuple[str, ...] = ("GTV", "Brain")) -> Path:
    """Write the patient: a head of 55 mm, a brain of 50 mm, and a tumour of 10 mm."""
    head = ball(55)
    planes = np.where(head, HU, -1000).astype(np.int16)
    for z in range(SLICES):
        write_mr_series(
            folder / "ct",
            positions=np.array([[0.0, 0.0, STEP * z]]),
            series=f"9{z}",
            orientation=AXIAL,
            SOPClassUID=CTImageStorage,
            Modality="CT",
            SeriesInstanceUID="1.2.3.9",
            FrameOfReferenceUID=STUDY.frame_uid,
            PatientID=STUDY.patient_id,
            Rows=SHAPE[1],
            Columns=SHAPE[0],
            PixelSpacing=[3.0, 3.0],
            SliceThickness=STEP,
            PixelRepresentation=1,
            RescaleSlope=1,
            RescaleIntercept=0,
            PixelData=planes[:, :, z].T.tobytes(),
            InstanceNumber=z + 1,
            StudyDate="20240301",
        )
    shapes = {"GTV": ball(10), "Brain": ball(50)}
    rt = folder / "rt"
    write_structures(rt / "RS.dcm", STUDY, {n: shapes[n] for n in names}, GRID)
    write_plans(rt, STUDY, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    dose = np.full((10, 10, 10), 60, np.float32)
    write_dose(rt / "RD.dcm", STUDY, dose, np.diag([3.0, 3, 3, 1]), biological=False)
    return folder

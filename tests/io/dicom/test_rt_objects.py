"""Plans and doses as they are written: read back by pydicom, with values set by hand."""

from datetime import date

import numpy as np
import pytest
from pydicom.dataset import Dataset

from flame.core.treatment import Phase, Radiation
from flame.io.dicom.plan_versions import RT_ION_PLAN
from flame.io.dicom.rt_objects import fill_dose, fill_plan, plan_class


def test_a_dose_keeps_its_place() -> None:
    """RAS+ voxels of 2, 3 and 4 mm from (-10, -20, 5); DICOM counts to the left and to the back."""
    dose = np.zeros((3, 4, 2), np.float32)
    dose[2, 3, 1] = 1.5  # the most right, front and top of the grid
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = -10, -20, 5
    dataset = Dataset()
    fill_dose(dataset, dose, affine, (RT_ION_PLAN, "1.2.3"), biological=True)
    assert list(dataset.ImagePositionPatient) == pytest.approx([6, 11, 5])  # LPS of the last x, y
    assert list(dataset.PixelSpacing) == [3, 2]  # rows, columns
    stored = np.frombuffer(dataset.PixelData, np.uint32).reshape(2, 4, 3)
    assert stored[1, 0, 0] * float(dataset.DoseGridScaling) == pytest.approx(1.5)
    assert np.count_nonzero(stored) == 1
    assert dataset.DoseType == "EFFECTIVE"
    assert dataset.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == "1.2.3"


def test_a_boost_with_carbon_ions() -> None:
    phase = Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True)
    dataset = Dataset()
    fill_plan(dataset, phase, "boost", date(2024, 3, 1), "machine")
    assert plan_class(phase.radiation) == RT_ION_PLAN
    assert dataset.RTPlanDate == "20240405"  # 35 days later
    group = dataset.FractionGroupSequence[0]
    assert group.NumberOfFractionsPlanned == 6
    assert group.ReferencedBeamSequence[0].BeamDose == 3.0
    (beam,) = dataset.IonBeamSequence
    assert (beam.RadiationType, beam.RadiationMassNumber) == ("ION", 12)

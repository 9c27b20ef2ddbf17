"""Simulated radiotherapy objects, read by SimpleITK or with values by hand."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from flame.core.treatment import Phase, Radiation, Treatment
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_plans, write_structures

STUDY = Study("SIM-1", "F", 61, date(2020, 3, 1), 90, frame=1)
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = (-10.0, 20.0, 5.0)


def test_dose_lies_where_another_reader_finds_it(tmp_path: Path) -> None:
    dose = np.random.default_rng(0).uniform(0, 60, (4, 5, 3)).astype(np.float32)
    write_dose(tmp_path / "RD.dcm", STUDY, dose, AFFINE, biological=True)
    image = sitk.ReadImage(str(tmp_path / "RD.dcm"))
    scaling = float(pydicom.dcmread(tmp_path / "RD.dcm").DoseGridScaling)
    for index in ((0, 0, 0), (3, 1, 2), (2, 4, 1)):
        ras = (AFFINE @ [*index, 1])[:3]
        place = image.TransformPhysicalPointToIndex([float(v) for v in ras * [-1, -1, 1]])
        assert image.GetPixel(place) * scaling == pytest.approx(dose[index], abs=1e-4)


def test_contours_surround_the_tumour(tmp_path: Path) -> None:
    mask = np.zeros((12, 12, 5), bool)
    mask[4:8, 5:9, 2] = True
    write_structures(tmp_path / "RS.dcm", STUDY, {"GTV": mask}, AFFINE)
    (roi,) = pydicom.dcmread(tmp_path / "RS.dcm").ROIContourSequence
    (contour,) = roi.ContourSequence
    points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
    # Half a voxel around columns 4 to 7 and rows 5 to 8 of slice 2, in LPS.
    assert points[:, 0].min() == pytest.approx(-(-10 + 2 * 7.5))
    assert points[:, 0].max() == pytest.approx(-(-10 + 2 * 3.5))
    assert points[:, 1].min() == pytest.approx(-(20 + 3 * 8.5))
    assert set(points[:, 2]) == {5 + 4 * 2}


def test_a_boost_has_a_plan_of_its_own(tmp_path: Path) -> None:
    course = Treatment(
        (Phase(Radiation.PHOTON, 50.0, 25), Phase(Radiation.CARBON, 18.0, 6, start_day=35))
    )
    write_plans(tmp_path, STUDY, course)
    photon, carbon = (pydicom.dcmread(tmp_path / f"RP{n}.dcm") for n in (1, 2))
    assert photon.BeamSequence[0].RadiationType == "PHOTON"
    beam = carbon.IonBeamSequence[0]
    assert (beam.RadiationType, beam.RadiationAtomicNumber) == ("ION", 6)
    assert carbon.RTPlanDate == "20200405"  # 35 days after 1 March
    (group,) = carbon.FractionGroupSequence
    assert group.ReferencedBeamSequence[0].BeamDose == 3.0

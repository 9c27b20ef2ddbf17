"""Simulated MR images read by another reader, SimpleITK."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from flame.core.imaging import Sequence
from flame.simulation.dicom_images import Study, uid, write_series
from flame.simulation.scanner import SCANNERS

STUDY = Study("SIM-1", "F", 61, date(2020, 3, 1), 1)


def oblique() -> np.ndarray:
    """RAS+ affine of voxels of 1 x 1.5 x 3 mm, turned by 30 degrees about x."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1.0, 1.5, 3.0])
    affine[:3, 3] = (-20.0, 30.0, 5.0)
    return affine


def test_another_reader_finds_values_and_places(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 4096, (5, 6, 4)).astype(np.uint16)
    write_series(tmp_path, STUDY, SCANNERS[0], Sequence.T2, voxels, oblique())
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    assert (voxels == sitk.GetArrayFromImage(image).T).all()
    for index in ((0, 0, 0), (4, 5, 3)):
        ras = (oblique() @ [*index, 1])[:3]
        lps = ras * [-1, -1, 1]
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(lps, abs=1e-3)


def test_uids_depend_on_names_alone() -> None:
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert len(uid("a" * 200)) <= 64


def test_a_study_may_share_the_frame_of_another() -> None:
    planning = Study("SIM-1", "F", 61, date(2020, 3, 9), 90, frame=1)
    assert planning.frame_uid == STUDY.frame_uid
    assert planning.study_uid != STUDY.study_uid

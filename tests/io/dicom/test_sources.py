"""A scan comes from DICOM files or from a NIfTI file, with the same voxels and place."""

from pathlib import Path

import nibabel as nib
import numpy as np

from flame.core.imaging import Sequence
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.sources import read_source, source_layout, source_paths
from tests.helpers.dicom_series import write_mr_series


def test_a_series_and_its_nifti_copy_are_one_scan(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path / "dicom")
    (series,) = inspect_folder(tmp_path / "dicom").series
    assert series.geometry is not None
    scan = read_source(series.geometry, Sequence.T1)
    copy = tmp_path / "copy.nii.gz"
    nib.save(nib.Nifti1Image(scan.voxels, scan.affine), copy)
    again = read_source(copy, Sequence.T1)
    assert (again.voxels == scan.voxels).all()
    assert np.allclose(again.affine, scan.affine)
    assert set(source_paths(series.geometry)) == set(paths)
    assert source_paths(copy) == [copy]


def test_the_layout_changes_with_a_slope(tmp_path: Path) -> None:
    layouts = []
    for name, slope in (("one", 1.0), ("two", 1.0), ("other", 2.0)):
        write_mr_series(tmp_path / name, RescaleSlope=slope, RescaleIntercept=0.0)
        (series,) = inspect_folder(tmp_path / name).series
        assert series.geometry is not None
        layouts.append(source_layout(series.geometry))
    assert layouts[0] == layouts[1] != layouts[2]
    assert source_layout(tmp_path / "a.nii.gz") == ""

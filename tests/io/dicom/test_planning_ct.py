"""CT series: numbers in HU at known places, and series that cannot be used."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from flame.io.dicom.headers import read_headers
from flame.io.dicom.planning_ct import PlanningCt, planning_cts, read_hounsfield
from flame.simulation.dicom_images import Study
from flame.simulation.planning_ct import write_ct

STUDY = Study("p", "F", 60, date(2020, 3, 2), 80)
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = (-20.0, -30.0, -60.0)


def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(-1000, 2000, (20, 18, 30)).astype(np.int16)


def edited(folder: Path, change) -> Path:
    write_ct(folder, STUDY, values(), AFFINE)
    for number, path in enumerate(sorted(folder.glob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        change(dataset, number)
        dataset.save_as(path)
    return folder


def read(folder: Path) -> list[PlanningCt]:
    return planning_cts(read_headers(folder)[0])


def test_numbers_lie_where_another_reader_finds_them(tmp_path: Path) -> None:
    write_ct(tmp_path, STUDY, values(), AFFINE)
    (ct,) = read(tmp_path)
    assert ct.day == date(2020, 3, 2)
    assert ct.frame == STUDY.frame_uid
    found = read_hounsfield(ct.geometry)
    files = [str(s.path) for s in ct.geometry.slices]
    image = sitk.ReadImage(files)
    for index in ((0, 0, 0), (7, 3, 12), (19, 17, 29)):
        ras = (ct.geometry.affine @ [*index, 1])[:3]
        place = image.TransformPhysicalPointToIndex([float(v) for v in ras * [-1, -1, 1]])
        assert image.GetPixel(place) == found[index]
        voxel = tuple(np.rint(np.linalg.inv(AFFINE) @ [*ras, 1])[:3].astype(int))
        assert values()[voxel] == found[index]


def test_values_below_air_are_air(tmp_path: Path) -> None:
    def outside(dataset: pydicom.Dataset, _: int) -> None:
        dataset.RescaleIntercept = "-2000"

    (ct,) = read(edited(tmp_path, outside))
    assert read_hounsfield(ct.geometry).min() == -1024


def test_the_longest_part_with_equal_steps_is_used(tmp_path: Path) -> None:
    """Slices of 4 mm up to the 22nd, then 10 mm."""

    def spread(dataset: pydicom.Dataset, number: int) -> None:
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y, z + 6 * max(number - 22, 0)]

    (ct,) = read(edited(tmp_path, spread))
    assert ct.geometry.shape[2] == 23
    assert ct.geometry.spacing[2] == pytest.approx(4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d, n: setattr(d, "RescaleType", "OD"), "is not HU"),
        (
            lambda d, n: setattr(
                d, "ImagePositionPatient", [float(d.ImagePositionPatient[0]), 0, 1.1**n * 4]
            ),
            "sheared|cover|uneven|missing",
        ),
        (lambda d, n: setattr(d, "PixelSpacing", None), "PixelSpacing is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, change, reason: str) -> None:
    import re

    (ct,) = read(edited(tmp_path, change))
    assert ct.geometry is None
    assert re.search(reason, ct.refused)


def test_overviews_are_no_series(tmp_path: Path) -> None:
    def localizer(dataset: pydicom.Dataset, _: int) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    assert read(edited(tmp_path, localizer)) == []


def test_mri_is_no_ct(tmp_path: Path) -> None:
    def as_mr(dataset: pydicom.Dataset, _: int) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"

    assert read(edited(tmp_path, as_mr)) == []

"""Stacks of one series are judged together; expected steps are those that the slices were given."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest

from flame.io.dicom.intake import ImportReport, inspect_folder
from tests.helpers.dicom_series import write_mr_series


def accepted(report: ImportReport) -> list[tuple[int, float]]:
    """Number of slices and step of every stack whose geometry is valid."""
    valid = [s.geometry for s in report.series if s.geometry]
    return [(g.shape[2], round(g.spacing[2], 3)) for g in valid]


def change(paths: list[Path], **tags: object) -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


@pytest.mark.parametrize(
    "odd",
    [
        {"EchoTime": 3.004},
        {"AcquisitionNumber": 2},
        {"ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"]},
        {"StackID": "2"},
        {"TemporalPositionIdentifier": 2},
    ],
)
def test_interleaved_parts_are_one_stack(tmp_path: Path, odd: dict[str, object]) -> None:
    change(write_mr_series(tmp_path, slices=24)[::2], **odd)
    assert accepted(inspect_folder(tmp_path)) == [(24, 2.0)]


def test_an_interleaved_part_with_a_gap_is_refused(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path, slices=24)
    change(paths[::2], AcquisitionNumber=2)
    paths[7].unlink()
    report = inspect_folder(tmp_path)
    assert accepted(report) == []
    assert report.series[0].refused.startswith("1 slices are missing: steps from 2.00 to 4.00 mm")


@pytest.mark.parametrize("shift", [0.5, 0.3])
@pytest.mark.parametrize("tags", [{"AcquisitionNumber": 2}, {}])
def test_a_repeat_between_the_slices_is_a_stack_of_its_own(
    tmp_path: Path, shift: float, tags: dict[str, object]
) -> None:
    def at(offset: float) -> np.ndarray:
        return np.outer(np.arange(12) + offset, (0, 0, 2.0))

    first = write_mr_series(tmp_path / "a", positions=at(0))
    second = write_mr_series(tmp_path / "b", positions=at(shift), **tags)
    for number, path in enumerate([*first, *second], 1):
        change([path], InstanceNumber=number)
    assert accepted(inspect_folder(tmp_path)) == [(12, 2.0), (12, 2.0)]


def test_thin_steps_of_an_interpolated_volume_are_no_repeat(tmp_path: Path) -> None:
    for number, path in enumerate(write_mr_series(tmp_path, slices=24, SliceThickness=4.0)):
        change([path], InstanceNumber=number)
    assert accepted(inspect_folder(tmp_path)) == [(24, 2.0)]


def test_echoes_and_components_at_one_place_are_apart(tmp_path: Path) -> None:
    for echo in (3.0, 7.0):
        for component in ("M", "P"):
            folder = tmp_path / f"{echo}{component}"
            kind = ["ORIGINAL", "PRIMARY", component]
            paths = write_mr_series(folder, EchoTime=echo, ImageType=kind)
            change(paths[::2], ImageType=[*kind, "NORM"])
    report = inspect_folder(tmp_path)
    assert accepted(report) == [(12, 2.0)] * 4
    assert sorted(s.series.part for s in report.series) == [1, 2, 3, 4]


def test_copies_do_not_split_a_stack(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path / "a")
    change(paths[::2], AcquisitionNumber=2)
    (tmp_path / "b").mkdir()
    for path in paths:
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    assert accepted(inspect_folder(tmp_path)) == [(12, 2.0)]


@pytest.mark.parametrize("turned", [[-1.0, 0, 0, 0, -1.0, 0], [0, 1.0, 0, 0, 0, -1.0]])
@pytest.mark.parametrize("which", [slice(None, None, 2), slice(12)])
def test_turned_slices_are_refused_with_all_others(
    tmp_path: Path, turned: list[float], which: slice
) -> None:
    change(write_mr_series(tmp_path, slices=24)[which], ImageOrientationPatient=turned)
    report = inspect_folder(tmp_path)
    assert accepted(report) == []
    assert all("ImageOrientationPatient (0020,0037) differs" in s.refused for s in report.series)


def test_three_planes_of_one_series_are_three_stacks(tmp_path: Path) -> None:
    planes = ((1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1))
    for n, plane in enumerate(planes):
        write_mr_series(tmp_path / str(n), orientation=tuple(map(float, plane)))
    assert accepted(inspect_folder(tmp_path)) == [(12, 2.0)] * 3


def test_a_series_uid_for_each_file_is_one_series(tmp_path: Path) -> None:
    for n, path in enumerate(write_mr_series(tmp_path)):
        change([path], SeriesInstanceUID=f"1.2.9.{n}")
    assert accepted(inspect_folder(tmp_path)) == [(12, 2.0)]


def test_time_points_are_a_dynamic_series(tmp_path: Path) -> None:
    for n in range(3):
        write_mr_series(tmp_path / str(n), TemporalPositionIdentifier=n, AcquisitionNumber=n)
    report = inspect_folder(tmp_path)
    assert all("3 stacks at one place" in s.refused for s in report.series)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"EchoTime": 60.0}, r"EchoTime \(0018,0081\) differs within one stack"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "kind of image in ImageType"),
        ({"Rows": 9}, r"Columns \(0028,0011\) or SOPClassUID differs"),
    ],
)
def test_a_stack_of_two_images_is_refused(
    tmp_path: Path, odd: dict[str, object], message: str
) -> None:
    change(write_mr_series(tmp_path, slices=24)[::2], **odd)
    report = inspect_folder(tmp_path)
    assert accepted(report) == []
    assert all(re.search(message, s.refused) for s in report.series)


@pytest.mark.parametrize(
    "odd",
    [{"RescaleSlope": 3}, {"BitsStored": 12}, {"PixelRepresentation": 1}, {"RescaleIntercept": 7}],
)
def test_one_slice_of_other_intensities_is_refused(tmp_path: Path, odd: dict[str, object]) -> None:
    change(write_mr_series(tmp_path)[3:4], **odd)
    (report,) = inspect_folder(tmp_path).series
    assert f"{next(iter(odd))} of one slice differs from that of all others" in report.refused


def test_a_slice_that_lost_its_series_is_found(tmp_path: Path) -> None:
    change(write_mr_series(tmp_path)[-1:], SeriesInstanceUID="1.2.9")
    assert accepted(inspect_folder(tmp_path)) == [(12, 2.0)]
